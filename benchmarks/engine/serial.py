"""What `llama_cpp.Llama` writes a second, one prompt after another: a process of its own.

`python -m benchmarks.engine.serial` reads one line of JSON and prints tokens per second.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.engine.cases import OUTPUT, EngineCase
from benchmarks.engine.measure import EngineFigures
from benchmarks.engine.servers import Setup


def measure_serial(
    setup: Setup, case: EngineCase, words: Sequence[str], seed: str
) -> EngineFigures:
    prompts = [body["prompt"] for body in case.bodies(words, seed)]
    asked = {"model": str(setup.model), "context": setup.context, "batch": setup.batch,
             "threads": setup.threads, "prompts": prompts}  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine.serial"], input=json.dumps(asked) + "\n",
        stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return EngineFigures(float(ran.stdout), 0.0, 0.0)


def main() -> None:
    import llama_cpp

    asked = json.loads(sys.stdin.readline())
    llama = llama_cpp.Llama(
        asked["model"], n_ctx=asked["context"], n_batch=asked["batch"], n_ubatch=asked["batch"],
        n_threads=asked["threads"], n_threads_batch=asked["threads"], flash_attn=True,
        verbose=False,
    )  # fmt: skip
    begun = time.perf_counter()
    written = 0
    for prompt in asked["prompts"]:
        llama.reset()
        answer: Any = llama.create_completion(prompt, max_tokens=OUTPUT, temperature=0)
        written += answer["usage"]["completion_tokens"]
    print(written / (time.perf_counter() - begun))


if __name__ == "__main__":
    main()
