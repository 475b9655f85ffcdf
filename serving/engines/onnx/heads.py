"""Turns a network's output into one row per text: a vector, probabilities, or a score."""

from collections.abc import Callable
from typing import Any

import numpy as np

from modelyard.serving.engines.encoder import Task
from modelyard.serving.engines.onnx.description import Description
from modelyard.serving.engines.onnx.network import Array
from modelyard.serving.engines.onnx.recipe.pooling import Pooling, PoolingConfig
from modelyard.serving.errors import EngineFailed

Head = Callable[[Array, Array], list[Any]]
"""Maps a batch's output, and the mask of the tokens that count, to rows."""


def head_for(description: Description) -> Head:
    match description.task:
        case Task.EMBED:
            return lambda output, mask: _vectors(output, mask, description)
        case Task.TOKEN_CLASSIFY:
            return _each_token
        case Task.RERANK:
            last = _same if description.raw_scores else _sigmoid
            return lambda output, _mask: last(_rank(output, 2)[:, 0]).tolist()
        case Task.CLASSIFY:
            last = _sigmoid if description.many_labels else _softmax
            return lambda output, _mask: last(_rank(output, 2)).tolist()


def normalised(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, np.float32(1e-12))


def _vectors(output: Array, mask: Array, description: Description) -> list[Array]:
    recipe = description.recipe
    output = np.asarray(output, np.float32)
    vectors = output if output.ndim == 2 else _pooled(_rank(output, 3), mask, recipe.pooling)
    return list(normalised(vectors) if recipe.normalised else vectors)


def _pooled(states: Array, mask: Array, pooling: PoolingConfig) -> Array:
    """The vectors of all modes, one after the other, as sentence-transformers writes them."""
    parts = [_pooled_by(mode, states, mask) for mode in pooling.modes]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, -1)


def _pooled_by(mode: Pooling, states: Array, mask: Array) -> Array:
    match mode:
        case Pooling.CLS:
            return states[np.arange(len(states)), mask.argmax(1)]
        case Pooling.LAST:
            return states[np.arange(len(states)), mask.shape[1] - 1 - mask[:, ::-1].argmax(1)]
        case Pooling.MAX:
            return np.where(mask[:, :, None] > 0, states, -np.inf).max(1)
        case Pooling.MEAN | Pooling.MEAN_SQRT_LEN:
            weights = mask.astype(np.float32)
            count = np.maximum(weights.sum(1, keepdims=True), np.float32(1e-9))
            return _mixed(weights / (count if mode is Pooling.MEAN else np.sqrt(count)), states)
        case Pooling.WEIGHTED_MEAN:
            weights = mask * np.arange(1, mask.shape[1] + 1, dtype=np.float32)
            return _mixed(weights / np.maximum(weights.sum(1, keepdims=True), 1e-9), states)


def _mixed(weights: Array, states: Array) -> Array:
    """One product with the weights, which avoids the copy of all states that a plain sum makes."""
    return (weights.astype(np.float32, copy=False)[:, None, :] @ states)[:, 0]


def _each_token(output: Array, mask: Array) -> list[Array]:
    likely = _softmax(_rank(output, 3))
    return [row[: int(kept.sum())] for row, kept in zip(likely, mask, strict=True)]


def _rank(output: Array, rank: int) -> Array:
    if output.ndim != rank:
        raise EngineFailed(f"The model gave a tensor of rank {output.ndim}, not {rank}.")
    return np.asarray(output, np.float32)


def _same(x: Array) -> Array:
    return x


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softmax(x: Array) -> Array:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)
