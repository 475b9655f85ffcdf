"""A one-layer model with known weights, and its results in plain arithmetic.

Its widths suit llama.cpp's fast kernels (multiples of 256 and of 32), so that it is computed as a
real model is: with repacked weights or matrix tiles, if the processor has them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float32]
Weights = dict[str, Numbers]

WIDTH = 256
INNER = 256
VOCABULARY = 256
HEADS = 4
KV_HEADS = 2
KEY = WIDTH // HEADS
EPSILON = 1e-5
ROPE_BASE = 10_000.0
CONTEXT = 128
_MATRICES = {
    "token_embd": (VOCABULARY, WIDTH), "output": (VOCABULARY, WIDTH),
    "blk.0.attn_q": (WIDTH, WIDTH), "blk.0.attn_k": (KV_HEADS * KEY, WIDTH),
    "blk.0.attn_v": (KV_HEADS * KEY, WIDTH), "blk.0.attn_output": (WIDTH, WIDTH),
    "blk.0.ffn_gate": (INNER, WIDTH), "blk.0.ffn_up": (INNER, WIDTH),
    "blk.0.ffn_down": (WIDTH, INNER),
}  # fmt: skip
_NORMS = ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm")


@dataclass(frozen=True, slots=True)
class TrialModel:
    """Weights by name, without the `.weight` suffix."""

    weights: Weights

    @classmethod
    def drawn(cls, seed: int = 0) -> "TrialModel":
        rng = np.random.default_rng(seed)
        weights: Weights = {name: np.ones(WIDTH, np.float32) for name in _NORMS}
        for name, shape in _MATRICES.items():
            size = 1 if name == "token_embd" else WIDTH**-0.5
            weights[name] = rng.standard_normal(shape, np.float32) * np.float32(size)
        return cls(weights)

    @classmethod
    def read(cls, path: Path) -> "TrialModel":
        """The dequantized weights of a file of any type."""
        import gguf

        def numbers(tensor: Any) -> Numbers:
            return gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)

        tensors: list[Any] = gguf.GGUFReader(path).tensors
        return cls({tensor.name.removesuffix(".weight"): numbers(tensor) for tensor in tensors})

    def write(self, path: Path) -> None:
        """Write an F32 GGUF file without a vocabulary: its tokens are numbers only."""
        import gguf

        writer: Any = gguf.GGUFWriter(path, "llama")
        writer.add_file_type(gguf.LlamaFileType.ALL_F32)
        writer.add_tokenizer_model("no_vocab")
        writer.add_vocab_size(VOCABULARY)
        writer.add_context_length(CONTEXT)
        writer.add_embedding_length(WIDTH)
        writer.add_feed_forward_length(INNER)
        writer.add_block_count(1)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KV_HEADS)
        writer.add_layer_norm_rms_eps(EPSILON)
        writer.add_rope_dimension_count(KEY)
        for name, weights in self.weights.items():
            writer.add_tensor(f"{name}.weight", weights)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def logits(self, tokens: npt.NDArray[np.int64]) -> Numbers:
        """One row of `VOCABULARY` logits per token."""
        stream = self.weights["token_embd"][tokens]
        stream = stream + self._attention(_normed(stream))
        stream = stream + self._feed_forward(_normed(stream))
        return self._times("output", _normed(stream))

    def _attention(self, rows: Numbers) -> Numbers:
        count = len(rows)
        queries = _turned(self._heads("blk.0.attn_q", rows))
        keys = _turned(self._heads("blk.0.attn_k", rows))
        values = self._heads("blk.0.attn_v", rows)
        shared = HEADS // KV_HEADS
        keys, values = np.repeat(keys, shared, axis=1), np.repeat(values, shared, axis=1)
        scores = np.einsum("ihk,jhk->hij", queries, keys) * KEY**-0.5
        scores = np.where(np.tril(np.ones((count, count), bool)), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        seen = np.einsum("hij,jhk->ihk", shares, values).reshape(count, WIDTH)
        return self._times("blk.0.attn_output", seen)

    def _feed_forward(self, rows: Numbers) -> Numbers:
        gate = self._times("blk.0.ffn_gate", rows)
        inner = gate / (np.float32(1) + np.exp(-gate)) * self._times("blk.0.ffn_up", rows)
        return self._times("blk.0.ffn_down", inner)

    def _heads(self, name: str, rows: Numbers) -> Numbers:
        return self._times(name, rows).reshape(len(rows), -1, KEY)

    def _times(self, name: str, rows: Numbers) -> Numbers:
        return rows @ self.weights[name].T


def _normed(rows: Numbers) -> Numbers:
    """RMS norm; the model's norm weights are all one."""
    return rows / np.sqrt((rows * rows).mean(-1, keepdims=True) + np.float32(EPSILON))


def _turned(heads: Numbers) -> Numbers:
    """Rotary position embedding on adjacent pairs, as in Llama."""
    speeds = ROPE_BASE ** (-np.arange(0, KEY, 2) / KEY)
    angles = (np.arange(len(heads))[:, None, None] * speeds).astype(np.float32)
    even = heads[..., 0::2]
    odd = heads[..., 1::2]
    turned = np.empty_like(heads)
    turned[..., 0::2] = even * np.cos(angles) - odd * np.sin(angles)
    turned[..., 1::2] = even * np.sin(angles) + odd * np.cos(angles)
    return turned
