"""Measures of a GGUF file, each taken in a child process: a crash of llama.cpp ends only that.

`python -m serving.engines.llama_cpp.measure` reads one JSON document on standard input
(`{"measure": "perplexity" | "compare" | "smoke", …arguments}`) and prints lines of JSON on standard
output: `{"done", "total"}` in tokens as it goes, at last `{"found": …}`, or
`{"error": {code, message, fix}}` with exit code 3.
"""

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import Any

from registry.errors import ModelyardError
from registry.python import python_module
from serving.engines.llama_cpp.findings import Comparison, Measured, Told, Written, untold
from serving.engines.pipes import last_words, pipes
from serving.engines.report import Report
from serving.engines.surroundings import engine_environment
from serving.errors import ModelUnloadable
from serving.orphans import die_with_parent

TIMEOUT_S = 7200
_PROMPT = "Once upon a time"


class MeasureFailed(ModelUnloadable):
    """A model could not be measured; the reason is the child process's own."""

    code = "measure_failed"


def perplexity(
    path: Path, text: str, n_ctx: int = 512, threads: int = 1, told: Told = untold
) -> Measured:
    """How well the model predicts the text; raises MeasureFailed with the reason."""
    ask = {"measure": "perplexity", "text": text, "n_ctx": n_ctx, "threads": threads}
    return Measured(**_in_child(ask | {"path": str(path)}, told))


def compare(  # noqa: PLR0913, PLR0917 - two models, and how to read
    reference_path: Path,
    candidate_path: Path,
    text: str,
    n_ctx: int = 512,
    threads: int = 1,
    told: Told = untold,
) -> Comparison:
    """How far a candidate's predictions are from the reference's; raises MeasureFailed."""
    paths = {"reference": str(reference_path), "path": str(candidate_path)}
    ask = {"measure": "compare", "text": text, "n_ctx": n_ctx, "threads": threads}
    return Comparison(**_in_child(ask | paths, told))


def smoke(path: Path, prompt: str = _PROMPT, tokens: int = 16) -> Written:
    """Load the model and write a few tokens, the likeliest each; raises MeasureFailed."""
    ask = {"measure": "smoke", "path": str(path), "prompt": prompt, "tokens": tokens}
    return Written(**_in_child(ask, untold))


def _in_child(ask: dict[str, Any], told: Told) -> Any:
    with (
        TemporaryFile() as said,
        subprocess.Popen(
            python_module("serving.engines.llama_cpp.measure"),
            env=engine_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as child,
    ):
        patience = Timer(TIMEOUT_S, child.kill)
        patience.start()
        try:
            answer = _answer_of(child, ask, told)
        except BaseException:
            child.kill()
            raise
        finally:
            patience.cancel()
        crashed = f"{ask['path']} (exit code {child.wait()}): {last_words(said)}"
        return _found(answer, crashed)


def _answer_of(child: subprocess.Popen[bytes], ask: dict[str, Any], told: Told) -> dict[str, Any]:
    """Hand over what to measure and pass progress on; the last line, empty where it crashed."""
    stdin, stdout = pipes(child)
    with suppress(BrokenPipeError):  # it died at once: its end says more
        stdin.write(json.dumps(ask).encode())
        stdin.close()
    for line in stdout:
        said: dict[str, Any] = json.loads(line)
        if "done" not in said:
            return said
        told(said["done"], said["total"])
    return {}


def _found(answer: dict[str, Any], crashed: str) -> Any:
    if "found" in answer:
        return answer["found"]
    if "error" in answer:
        raise MeasureFailed(answer["error"]["message"], fix=answer["error"]["fix"])
    raise MeasureFailed(f"llama.cpp crashed, or took longer than {TIMEOUT_S} s, on {crashed}")


def _measured(ask: dict[str, Any], told: Told) -> Any:
    from serving.engines.llama_cpp import comparing
    from serving.engines.llama_cpp.smoking import write_some

    kind, path = ask["measure"], Path(ask["path"])
    if kind == "smoke":
        return write_some(path, ask["prompt"], ask["tokens"])
    way: dict[str, Any] = {"n_ctx": ask["n_ctx"], "threads": ask["threads"], "told": told}
    if kind == "perplexity":
        return comparing.measure(path, ask["text"], **way)
    return comparing.compare(Path(ask["reference"]), path, ask["text"], **way)


def _tell(report: Report, done: int, total: int) -> None:
    report.line(done=done, total=total)


def main() -> int:
    die_with_parent()
    report = Report.on_stdout()
    try:
        told = partial(_tell, report)
        report.line(found=asdict(_measured(json.load(sys.stdin), told)))
    except ModelyardError as error:
        report.error(error)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
