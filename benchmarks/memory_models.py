"""Models of random weights that differ in what decides their memory, written to a folder."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.registry.catalog.model import Format
from tests.models.onnx_tiny import CLASSIFIER, Bert
from tests.models.shapes import ModelShape


@dataclass(frozen=True, slots=True)
class BenchModel:
    """A model's shape, and what llama.cpp quantizes it to, if at all."""

    name: str
    shape: ModelShape | Bert
    quantization: str = ""

    @property
    def format(self) -> Format:
        return Format.GGUF if isinstance(self.shape, ModelShape) else Format.ONNX

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
    command = [sys.executable, "-m", "modelyard.flows.steps.build.quantize_child"]
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


def kinds() -> Iterator[BenchModel]:
    llama: dict[str, Any] = {"width": 1024, "layers": 10, "heads": 16, "kv_heads": 8, "inner": 2816}
    yield BenchModel(
        "llama-f16", ModelShape(width=512, layers=8, inner=1536, heads=8, context=8192, half=True)
    )
    yield BenchModel(
        "llama-f32", ModelShape(width=768, layers=6, heads=12, kv_heads=12, inner=3072)
    )
    for quantization in ("Q8_0", "Q4_K_M", "Q4_0"):
        yield BenchModel(f"llama-{quantization}", ModelShape(half=True, **llama), quantization)
    yield BenchModel(
        "llama-128k-words",
        ModelShape(width=256, layers=4, inner=768, vocabulary=128_000, half=True),
    )
    yield BenchModel(
        "moe", ModelShape(width=512, layers=4, heads=8, inner=1024, experts=8, half=True)
    )
    yield BenchModel("qwen2", _shape("qwen2", inner=2048, vocabulary=32_000))
    yield BenchModel("qwen3", _shape("qwen3", heads=16, kv_heads=8, key_length=128, inner=1536))
    yield BenchModel("gemma", _shape("gemma", kv_heads=1, key_length=128, inner=4096))
    yield BenchModel("gpt2", _shape("gpt2", kv_heads=8, inner=2048))
    yield BenchModel("onnx-minilm", Bert(width=384, inner=1536, layers=6, heads=12, positions=512))
    yield BenchModel("onnx-base", Bert(width=768, inner=3072, layers=10, heads=12, positions=512))
    yield BenchModel("onnx-long", Bert(width=512, inner=2048, layers=4, heads=8, positions=1024))
    sorter = Bert(CLASSIFIER, ("a", "b"), width=256, inner=1024, layers=4, positions=512)
    yield BenchModel("onnx-classifier", sorter)


def _shape(architecture: str, **sizes: int) -> ModelShape:
    usual = {"width": 512, "layers": 6, "heads": 8, "kv_heads": 2, "context": 8192}
    given: dict[str, Any] = usual | sizes
    return ModelShape(architecture=architecture, half=True, **given)
