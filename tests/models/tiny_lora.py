"""Writes a LoRA adapter for a tiny model, and the same model with the adapter merged by hand."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.models.tiny import Tiny

TARGETS = ("attn_q", "attn_v", "attn_output", "ffn_gate", "ffn_down")


@dataclass(frozen=True, slots=True)
class TinyLora:
    """Rank-`rank` changes to some of `base`'s matrices, scaled by alpha / rank as PEFT does."""

    base: Tiny
    rank: int = 4
    alpha: float = 8.0
    seed: int = 1
    strength: float = 0.3
    architecture: str = "llama"
    kind: str = "adapter"

    def write(self, path: Path) -> Path:
        import gguf

        writer: Any = gguf.GGUFWriter(path, self.architecture)
        writer.add_type(self.kind)
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", self.alpha)
        for name, (a, b) in self._pairs().items():
            writer.add_tensor(f"{name}.lora_a", a)
            writer.add_tensor(f"{name}.lora_b", b)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def merged(self, path: Path) -> Path:
        """The base as if it had been trained so: W + alpha / rank * B A."""
        pairs = self._pairs()
        scale = np.float32(self.alpha / self.rank)

        def change(name: str, weights: Any) -> Any:
            if name not in pairs:
                return weights
            a, b = pairs[name]
            return (weights + scale * (b @ a)).astype(weights.dtype)

        return replace(self.base, change=change).write(path)

    def _pairs(self) -> dict[str, tuple[Any, Any]]:
        rng = np.random.default_rng(self.seed)
        return {name: self._pair(rng, shape) for name, shape in self._shapes()}

    def _pair(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Any, Any]:
        rows, columns = shape
        a = rng.standard_normal((self.rank, columns), dtype=np.float32) * columns**-0.5
        b = rng.standard_normal((rows, self.rank), dtype=np.float32) * self.strength
        return a.astype(np.float32), b.astype(np.float32)

    def _shapes(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for name, weights in self.base.tensors():
            if name.removesuffix(".weight").rsplit(".", 1)[-1] in TARGETS:
                yield name, weights.shape
