"""Writes GGUF files of random weights in other architectures than llama's, for what differs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.models.tiny import Tiny, spell
from tests.models.vocabulary import SPECIAL, Words, train

TRAINED = 1024
"""Tokens that are trained; a larger vocabulary is filled up with words nobody says."""

Weights = Iterator[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class ModelShape(Tiny):
    """A model of `architecture`: llama, qwen2, qwen3, gemma, gpt2, or llama with `experts`.

    `key_length` 0 is the width over the heads.
    """

    architecture: str = "llama"
    experts: int = 0
    key_length: int = 0

    @property
    def key(self) -> int:
        return self.key_length or self.width // self.heads

    def write(self, path: Path) -> Path:
        import gguf

        writer: Any = gguf.GGUFWriter(path, self.architecture)
        spell(writer, gguf, filled(self.vocabulary))
        self.describe(writer, gguf)
        self._add_shape(writer)
        rng = np.random.default_rng(self.seed)
        for name, shape in self._shapes():
            writer.add_tensor(name, self._random(rng, shape))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def _add_shape(self, writer: Any) -> None:
        writer.add_layer_norm_eps(1e-5)
        writer.add_key_length(self.key)
        writer.add_value_length(self.key)
        if self.experts:
            writer.add_expert_count(self.experts)
            writer.add_expert_used_count(2)

    def _random(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        if len(shape) == 1:
            return np.ones(shape, np.float32)
        scale = np.float32(shape[-1] ** -0.5)
        made = rng.standard_normal(shape, dtype=np.float32) * scale
        return made.astype(np.float16 if self.half else np.float32)

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "token_embd.weight", (self.vocabulary, self.width)
        for layer in range(self.layers):
            for name, shape in self._layer():
                yield f"blk.{layer}.{name}", shape
        yield "output_norm.weight", (self.width,)
        if self.architecture == "gpt2":
            yield "position_embd.weight", (self.context, self.width)
            yield "output_norm.bias", (self.width,)
        if self.architecture != "gemma":
            yield "output.weight", (self.vocabulary, self.width)

    def _layer(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        wide = self.heads * self.key
        narrow = self.kv_heads * self.key
        yield from (("attn_norm.weight", (self.width,)), ("ffn_norm.weight", (self.width,)))
        yield "attn_output.weight", (self.width, wide)
        if self.architecture == "gpt2":
            yield from self._gpt2_layer(wide + 2 * narrow)
            return
        yield "attn_q.weight", (wide, self.width)
        yield "attn_k.weight", (narrow, self.width)
        yield "attn_v.weight", (narrow, self.width)
        if self.architecture == "qwen2":
            yield from (("attn_q.bias", (wide,)), ("attn_k.bias", (narrow,)))
            yield "attn_v.bias", (narrow,)
        if self.architecture == "qwen3":
            yield from (("attn_q_norm.weight", (self.key,)), ("attn_k_norm.weight", (self.key,)))
        yield from self._mixture() if self.experts else self._gated()

    def _gated(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "ffn_gate.weight", (self.inner, self.width)
        yield "ffn_up.weight", (self.inner, self.width)
        yield "ffn_down.weight", (self.width, self.inner)

    def _mixture(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "ffn_gate_inp.weight", (self.experts, self.width)
        yield "ffn_gate_exps.weight", (self.experts, self.inner, self.width)
        yield "ffn_up_exps.weight", (self.experts, self.inner, self.width)
        yield "ffn_down_exps.weight", (self.experts, self.width, self.inner)

    def _gpt2_layer(self, fused: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "attn_qkv.weight", (fused, self.width)
        yield "attn_qkv.bias", (fused,)
        yield "attn_output.bias", (self.width,)
        yield "ffn_up.weight", (self.inner, self.width)
        yield "ffn_up.bias", (self.inner,)
        yield "ffn_down.weight", (self.width, self.inner)
        yield from (("ffn_down.bias", (self.width,)), ("ffn_norm.bias", (self.width,)))
        yield "attn_norm.bias", (self.width,)


def filled(size: int) -> Words:
    """The trained vocabulary, and so many words more that it has `size`."""
    words = train(min(size, TRAINED))
    fill = tuple(f"Ġfill{i}" for i in range(size - len(words.tokens)))
    ordinary = words.tokens[: -len(SPECIAL)]
    return Words((*ordinary, *fill, *SPECIAL), words.merges)
