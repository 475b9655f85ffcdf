"""The child process of a trial: computes known results, one quantization at a time.

Reads one line of JSON (`{"types", "folder", "gpu_layers"}`) and prints lines of JSON: first the
library's `{"features", "gpu"}`, then for each type `{"trying": type}` and `{"off": …}`, the error.
If it dies, the last type tried is the cause; a type it cannot try raises an exception.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.model.binding import (
    ContextShape,
    LlamaContext,
    LlamaModel,
    last_words,
)
from modelyard.serving.engines.llama_cpp.quantizer import quantize
from modelyard.serving.engines.llama_cpp.trial.known_model import (
    CONTEXT,
    VOCABULARY,
    Numbers,
    TrialModel,
)
from modelyard.serving.engines.llama_cpp.trial.processor import used_features
from modelyard.serving.engines.report import StartupReport
from modelyard.serving.errors import ModelUnloadable
from modelyard.serving.parent_death import die_with_parent

ROWS = 41
"""Rows read at once: two tiles of 16 and a remainder; one more row follows alone."""


def main() -> None:
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core dump if it dies
    report = StartupReport.on_stdout()
    ask = json.loads(sys.stdin.readline())
    report.line(**_library())
    source = Path(ask["folder"]) / "source.gguf"
    TrialModel.drawn().write(source)
    for name in ask["types"]:
        report.line(trying=name)
        report.line(off=_tried(source, name, ask["gpu_layers"]))


def _library() -> dict[str, Any]:
    features = used_features(llama_cpp.llama_print_system_info().decode())
    return {"features": features, "gpu": llama_cpp.llama_supports_gpu_offload()}


def _tried(source: Path, name: str, gpu_layers: int) -> float | None:
    """The largest error relative to the RMS of the right results; None if it is not finite."""
    made = source.with_name("made.gguf")
    if not quantize(str(source), str(made), name, 1):
        raise ModelUnloadable(f"llama.cpp cannot make {name}: {last_words()}")
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, ROWS + 1)
    right = TrialModel.read(made).logits(tokens)
    found = _computed(made, [int(token) for token in tokens], gpu_layers)
    off = float(np.abs(found - right).max() / np.sqrt((right * right).mean()))
    return off if np.isfinite(off) else None


def _computed(path: Path, tokens: list[int], gpu_layers: int) -> Numbers:
    """The logits of all tokens, read as an engine reads: many at once, then one."""
    model = LlamaModel.load(str(path), gpu_layers=gpu_layers)
    context = LlamaContext(
        model, ContextShape(cells=CONTEXT, sequences=1, batch=64, threads=1, outputs=64)
    )
    batch = Batch(64)
    rows = list[Numbers]()
    for start, part in ((0, tokens[:ROWS]), (ROWS, tokens[ROWS:])):
        batch.clear()
        batch.add(0, part, start, wanted=True, every=True)
        if code := context.decode(batch.native):
            raise ModelUnloadable(f"llama.cpp refused a batch with {code}.")
        rows.append(context.logits(batch.rows).copy())
    context.close()
    model.close()
    return np.concatenate(rows)


if __name__ == "__main__":
    main()
