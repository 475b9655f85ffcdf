"""Models of random weights that differ in what decides their memory, written to a folder."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.names import Format
from tests.models.onnx_tiny import CLASSIFIER, Bert
from tests.models.shapes import Shape


@dataclass(frozen=True, slots=True)
class Kind:
    """A model's shape, and what llama.cpp quantizes it to, if at all."""

    name: str
    shape: Shape | Bert
    quantization: str = ""

    @property
    def format(self) -> Format:
        return Format.GGUF if isinstance(self.shape, Shape) else Format.ONNX

    @property
    def architecture(self) -> str:
        return self.shape.architecture

    def write(self, folder: Path) -> Path:
        """The file to open; what it was made from is removed."""
        if isinstance(self.shape, Bert):
            return self.shape.write(folder / self.name)
        whole = self.shape.write(folder / f"{self.name}-whole.gguf")
        if not self.quantization:
            return whole
        target = folder / f"{self.name}.gguf"
        _quantize(whole, target, self.quantization)
        whole.unlink()
        return target


def _quantize(source: Path, target: Path, kind: str) -> None:
    asked = {"source": str(source), "target": str(target), "type": kind, "threads": 2}
    command = [sys.executable, "-m", "flows.steps.quantize_child"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        if child.stdin is None or child.stdout is None:
            sys.exit("a pipe is missing")
        child.stdin.write(json.dumps(asked) + "\n")  # left open: it ends when that closes
        child.stdin.flush()
        last = child.stdout.readlines()[-1]
    if json.loads(last)["failed"] is not None:
        sys.exit(f"{source.name} cannot be quantized: {last}")


def kinds() -> Iterator[Kind]:
    llama: dict[str, Any] = {"width": 1024, "layers": 10, "heads": 16, "kv_heads": 8, "inner": 2816}
    yield Kind(
        "llama-f16", Shape(width=512, layers=8, inner=1536, heads=8, context=8192, half=True)
    )
    yield Kind("llama-f32", Shape(width=768, layers=6, heads=12, kv_heads=12, inner=3072))
    for quantization in ("Q8_0", "Q4_K_M", "Q4_0"):
        yield Kind(f"llama-{quantization}", Shape(half=True, **llama), quantization)
    yield Kind(
        "llama-128k-words", Shape(width=256, layers=4, inner=768, vocabulary=128_000, half=True)
    )
    yield Kind("moe", Shape(width=512, layers=4, heads=8, inner=1024, experts=8, half=True))
    yield Kind("qwen2", _shape("qwen2", inner=2048, vocabulary=32_000))
    yield Kind("qwen3", _shape("qwen3", heads=16, kv_heads=8, key_length=128, inner=1536))
    yield Kind("gemma", _shape("gemma", kv_heads=1, key_length=128, inner=4096))
    yield Kind("gpt2", _shape("gpt2", kv_heads=8, inner=2048))
    yield Kind("onnx-minilm", Bert(width=384, inner=1536, layers=6, heads=12, positions=512))
    yield Kind("onnx-base", Bert(width=768, inner=3072, layers=10, heads=12, positions=512))
    yield Kind("onnx-long", Bert(width=512, inner=2048, layers=4, heads=8, positions=1024))
    sorter = Bert(CLASSIFIER, ("a", "b"), width=256, inner=1024, layers=4, positions=512)
    yield Kind("onnx-classifier", sorter)


def _shape(architecture: str, **sizes: int) -> Shape:
    usual = {"width": 512, "layers": 6, "heads": 8, "kv_heads": 2, "context": 8192}
    given: dict[str, Any] = usual | sizes
    return Shape(architecture=architecture, half=True, **given)
