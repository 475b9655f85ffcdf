"""Writes a GGUF file of an encoder with random weights, which makes embeddings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.models.tiny import spell
from tests.models.vocabulary import train


@dataclass(frozen=True, slots=True)
class TinyBert:
    """BERT's architecture; `pooling` is llama.cpp's number (1 mean, 2 first, 3 last, 4 rank)."""

    vocabulary: int = 1024
    width: int = 64
    layers: int = 2
    heads: int = 4
    inner: int = 128
    context: int = 256
    pooling: int = 1
    seed: int = 0

    def write(self, path: Path) -> Path:
        import gguf

        writer: Any = gguf.GGUFWriter(path, "bert")
        writer.add_name("tiny bert")
        writer.add_context_length(self.context)
        writer.add_embedding_length(self.width)
        writer.add_block_count(self.layers)
        writer.add_feed_forward_length(self.inner)
        writer.add_head_count(self.heads)
        writer.add_layer_norm_eps(1e-5)
        writer.add_causal_attention(False)  # noqa: FBT003  gguf's own signature
        writer.add_pooling_type(gguf.PoolingType(self.pooling))
        writer.add_vocab_size(self.vocabulary)
        writer.add_token_type_count(2)
        spell(writer, gguf, train(self.vocabulary))
        for name, weights in self._tensors():
            writer.add_tensor(name, weights)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def _tensors(self) -> Iterator[tuple[str, Any]]:
        rng = np.random.default_rng(self.seed)

        def matrix(rows: int, columns: int) -> Any:
            return rng.standard_normal((rows, columns), dtype=np.float32) * columns**-0.5

        def norm(name: str) -> Iterator[tuple[str, Any]]:
            yield f"{name}.weight", np.ones(self.width, np.float32)
            yield f"{name}.bias", np.zeros(self.width, np.float32)

        yield "token_embd.weight", matrix(self.vocabulary, self.width)
        yield "token_types.weight", matrix(2, self.width)
        yield "position_embd.weight", matrix(self.context, self.width)
        yield from norm("token_embd_norm")
        for layer in range(self.layers):
            block = f"blk.{layer}."
            for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
                yield f"{block}{part}.weight", matrix(self.width, self.width)
                yield f"{block}{part}.bias", np.zeros(self.width, np.float32)
            yield from norm(f"{block}attn_output_norm")
            yield f"{block}ffn_up.weight", matrix(self.inner, self.width)
            yield f"{block}ffn_up.bias", np.zeros(self.inner, np.float32)
            yield f"{block}ffn_down.weight", matrix(self.width, self.inner)
            yield f"{block}ffn_down.bias", np.zeros(self.width, np.float32)
            yield from norm(f"{block}layer_output_norm")
