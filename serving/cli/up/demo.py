"""The demo: the bundled model through the whole flow, then its first streamed answer."""

import asyncio
import os
import signal
from pathlib import Path

from modelyard.registry.console import out
from modelyard.registry.errors import ModelyardError
from modelyard.serving.child_process import end_group, start_child
from modelyard.serving.cli.up.services import LocalServices, modelyard
from modelyard.serving.cli.up.supervise import STOP_S
from modelyard.serving.engines.child.ending import ending

REPO = "modelyard/tiny-shakespeare-GGUF"
FOLDER = Path("~/.local/share/modelyard-demo")
"""Where the demo keeps its data unless a folder is named: beside the usual folder, never in it."""

QUESTION = "What news from the king?"


class DemoFailed(ModelyardError):
    """A step of the demo ended with an error; its own words are above."""

    code = "demo_failed"
    exit_code = 10


async def ingest_and_ask(services: LocalServices, folder: Path) -> str:
    """Take the bundled model from its Hub to a streamed answer; returns the name to ask for."""
    env = {**os.environ, **services.shared, **services.prefect_client}
    await _step(env, folder, "models", "add", REPO, "--quantize", "Q8_0")
    out.print(f"\n[bold]{QUESTION}[/bold]")
    asked = ("chat", REPO, QUESTION, "--temperature", "0.8", "--max-tokens", "160")
    gateway = {"MODELYARD_GATEWAY_URL": services.ports.gateway_url}
    await _step(env | gateway, folder, *asked)
    return REPO


async def _step(env: dict[str, str], folder: Path, *arguments: str) -> None:
    """Run one command as a person would, on this terminal; a cancelled one is ended first."""
    child = await start_child(*modelyard(*arguments), env=env, cwd=folder)
    try:
        code = await child.wait()
    except asyncio.CancelledError:
        end_group(child, signal.SIGTERM)
        await asyncio.wait([asyncio.create_task(child.wait())], timeout=STOP_S)
        end_group(child, signal.SIGKILL)
        raise
    if code:
        ended = ending(code)
        raise DemoFailed(f"`modelyard {' '.join(arguments[:3])}` {ended}.", fix=ended.fix)
