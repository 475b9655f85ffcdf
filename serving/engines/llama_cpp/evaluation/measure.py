"""Measurements of a GGUF file, each in a child process, so a llama.cpp crash ends only that.

`python -m modelyard.serving.engines.llama_cpp.evaluation.measure` reads one JSON document on
standard input (`{"measure": "perplexity" | "compare" | "smoke", …arguments}`) and prints lines of
JSON on standard output: progress as `{"done", "total"}` in tokens, finally `{"found": …}`, or
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
from typing import IO, Any

from modelyard.registry.errors import ModelyardError
from modelyard.registry.process.python import python_module
from modelyard.serving.engines.child.ending import ending
from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.child.memory_limit import MORE, limit_memory, memory_limit
from modelyard.serving.engines.child.pipes import last_words, patience, pipes
from modelyard.serving.engines.llama_cpp.evaluation.findings import (
    Comparison,
    SampleText,
    TextMeasurement,
    Told,
    untold,
)
from modelyard.serving.engines.llama_cpp.tokenizer.deep_stack import PER_CHARACTER
from modelyard.serving.engines.report import StartupReport
from modelyard.serving.errors import ModelUnloadable
from modelyard.serving.parent_death import die_with_parent

TIMEOUT_S = 7200
_PROMPT = "Once upon a time"


class MeasureFailed(ModelUnloadable):
    """A model could not be measured; the message is the child process's."""

    code = "measure_failed"


class MeasureCrashed(MeasureFailed):
    """The measuring process crashed; the message says how."""

    code = "measure_crashed"


class MeasureTooSlow(MeasureFailed):
    """A measurement exceeded its time limit and was stopped."""

    code = "measure_too_slow"


def perplexity(
    path: Path, text: str, n_ctx: int = 512, threads: int = 1, *, told: Told = untold
) -> TextMeasurement:
    """Measure how well the model predicts the text; raises MeasureFailed with the reason."""
    ask = {"measure": "perplexity", "text": text, "n_ctx": n_ctx, "threads": threads}
    return TextMeasurement(**_in_child(ask | {"path": str(path)}, told))


def compare(  # noqa: PLR0913, PLR0917 - two models, and how to read
    reference_path: Path,
    candidate_path: Path,
    text: str,
    n_ctx: int = 512,
    threads: int = 1,
    told: Told = untold,
) -> Comparison:
    """Measure how far a candidate's predictions are from the reference's; raises MeasureFailed."""
    paths = {"reference": str(reference_path), "path": str(candidate_path)}
    ask = {"measure": "compare", "text": text, "n_ctx": n_ctx, "threads": threads}
    return Comparison(**_in_child(ask | paths, told))


def smoke(
    path: Path, prompt: str = _PROMPT, tokens: int = 16, timeout_s: float = TIMEOUT_S
) -> SampleText:
    """Load the model and generate a few tokens greedily; raises MeasureFailed."""
    ask = {"measure": "smoke", "path": str(path), "prompt": prompt, "tokens": tokens}
    return SampleText(**_in_child(ask, untold, timeout_s))


def _in_child(ask: dict[str, Any], told: Told, timeout_s: float = TIMEOUT_S) -> Any:
    with (
        TemporaryFile() as said,
        subprocess.Popen(
            python_module("modelyard.serving.engines.llama_cpp.evaluation.measure"),
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as child,
    ):
        try:
            limit_memory(_limit(ask), child.pid)
            with patience(child, timeout_s) as over:
                answer = _answer_of(child, ask, told)
        except BaseException:
            child.kill()
            raise
        if not answer:
            raise _unanswered(ask, child, said, timeout_s if over.is_set() else None)
        return _found(answer)


def _limit(ask: dict[str, Any]) -> int:
    """Bytes for a child: by its models' files, its threads, and a stack for the text it reads."""
    files = sum(Path(ask[key]).stat().st_size for key in ("path", "reference") if key in ask)
    stack = PER_CHARACTER * len(ask.get("text", ""))
    return memory_limit(files, threads=ask.get("threads", 1), more=MORE + stack)


def _answer_of(child: subprocess.Popen[bytes], ask: dict[str, Any], told: Told) -> dict[str, Any]:
    """Send the request and pass progress on; returns the last line, empty after a crash."""
    stdin, stdout = pipes(child)
    with suppress(BrokenPipeError):  # the child died at once: its exit status says more
        stdin.write(json.dumps(ask).encode())
        stdin.close()
    for line in stdout:
        said: dict[str, Any] = json.loads(line)
        if "done" not in said:
            return said
        told(said["done"], said["total"])
    return {}


def _found(answer: dict[str, Any]) -> Any:
    if "found" in answer:
        return answer["found"]
    raise MeasureFailed(answer["error"]["message"], fix=answer["error"]["fix"])


def _unanswered(
    ask: dict[str, Any], child: subprocess.Popen[bytes], said: IO[bytes], too_slow: float | None
) -> MeasureFailed:
    what = f"measuring {ask['path']} ({ask['measure']})"
    if too_slow is not None:
        return MeasureTooSlow(
            f"llama.cpp took longer than {too_slow:.0f} s {what} and was ended.",
            fix="Try again when the machine has less to do, or with a shorter text (--eval-text).",
        )
    ended = ending(child.wait())
    words = last_words(said)
    crashed = f"llama.cpp {ended} while {what}. Its last words: {words or 'none'}"
    return MeasureCrashed(crashed, fix=ended.fix)


def _measured(ask: dict[str, Any], told: Told) -> Any:
    from modelyard.serving.engines.llama_cpp.evaluation import perplexity
    from modelyard.serving.engines.llama_cpp.evaluation.smoke_test import write_some

    kind = ask["measure"]
    path = Path(ask["path"])
    if kind == "smoke":
        return write_some(path, ask["prompt"], ask["tokens"])
    way: dict[str, Any] = {"n_ctx": ask["n_ctx"], "threads": ask["threads"], "told": told}
    if kind == "perplexity":
        return perplexity.measure(path, ask["text"], **way)
    return perplexity.compare(Path(ask["reference"]), path, ask["text"], **way)


def _tell(report: StartupReport, done: int, total: int) -> None:
    report.line(done=done, total=total)


def main() -> int:
    die_with_parent()
    report = StartupReport.on_stdout()
    try:
        told = partial(_tell, report)
        report.line(found=asdict(_measured(json.load(sys.stdin), told)))
    except ModelyardError as error:
        report.error(error)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
