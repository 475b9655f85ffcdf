"""A training as somebody else serves it to Prefect: it ends when a file is there."""

import argparse
import asyncio
import time
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_progress_artifact
from prefect.runner import Runner


@flow(name="lora")
def lora(gate: str, steps: int = 1) -> None:
    """Half of the work is done at once, the rest when the gate opens."""
    create_progress_artifact(50.0)
    while not Path(gate).exists():
        time.sleep(0.05)
    create_markdown_artifact(f"{steps} steps", key="report")


async def serve() -> None:
    runner = Runner(name="trainer", pause_on_shutdown=False)
    await runner.aadd_flow(lora, "fine-tuning")
    await runner.start()


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    asyncio.run(serve())


if __name__ == "__main__":
    main()
