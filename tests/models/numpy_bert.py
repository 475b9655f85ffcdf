"""BERT in plain numpy, one text at a time without padding: what an engine is compared with."""

from collections.abc import Mapping, Sequence
from math import erf
from typing import Any

import numpy as np

from tests.models.onnx_bert import Array, Weights

_erf = np.vectorize(erf, otypes=[np.float64])


class NumpyBert:
    """The network of a config.json and its weights, in 64-bit floats."""

    def __init__(self, described: Mapping[str, Any], weights: Weights) -> None:
        self.described = described
        self.weights = {name: value.astype(np.float64) for name, value in weights.items()}

    def hidden(self, ids: Sequence[int], kinds: Sequence[int]) -> Array:
        """The last hidden state of each token."""
        tables = [
            f"embeddings.{kind}_embeddings.weight" for kind in ("word", "token_type", "position")
        ]
        word, kind, place = (self.weights[name] for name in tables)
        x = self._norm(word[list(ids)] + kind[list(kinds)] + place[: len(ids)], "embeddings")
        for layer in range(self.described["num_hidden_layers"]):
            x = self._layer(x, f"encoder.layer.{layer}")
        return x

    def mean(self, ids: Sequence[int], kinds: Sequence[int]) -> Array:
        """The mean over tokens, of length one: what an embedding is."""
        return unit(self.hidden(ids, kinds).mean(0))

    def classified(self, ids: Sequence[int], kinds: Sequence[int]) -> Array:
        """The logits of a sequence classifier."""
        pooled = np.tanh(self._linear(self.hidden(ids, kinds)[0], "pooler.dense"))
        return self._linear(pooled, "classifier")

    def marked(self, ids: Sequence[int], kinds: Sequence[int]) -> Array:
        """The logits of each token."""
        return self._linear(self.hidden(ids, kinds), "classifier")

    def _layer(self, x: Array, name: str) -> Array:
        attended = self._linear(
            self._attend(x, f"{name}.attention.self"), f"{name}.attention.output.dense"
        )
        x = self._norm(attended + x, f"{name}.attention.output")
        inner = self._linear(x, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1 + _erf(inner / 2**0.5))
        return self._norm(self._linear(inner, f"{name}.output.dense") + x, f"{name}.output")

    def _attend(self, x: Array, name: str) -> Array:
        heads = self.described["num_attention_heads"]

        def split(part: str) -> Array:
            return self._linear(x, f"{name}.{part}").reshape(len(x), heads, -1).swapaxes(0, 1)

        query = split("query")
        key = split("key")
        value = split("value")
        likely = softmax(query @ key.swapaxes(1, 2) / query.shape[-1] ** 0.5)
        return (likely @ value).swapaxes(0, 1).reshape(len(x), -1)

    def _linear(self, x: Array, name: str) -> Array:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, x: Array, name: str) -> Array:
        spread = np.sqrt(x.var(-1, keepdims=True) + self.described.get("layer_norm_eps", 1e-12))
        even = (x - x.mean(-1, keepdims=True)) / spread
        return (
            even * self.weights[f"{name}.LayerNorm.weight"] + self.weights[f"{name}.LayerNorm.bias"]
        )


def softmax(x: Array) -> Array:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def unit(x: Array) -> Array:
    return x / np.linalg.norm(x)
