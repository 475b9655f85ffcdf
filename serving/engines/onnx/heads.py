"""Turns a network's output into one row per text: a vector, probabilities, or a score."""

from collections.abc import Callable
from typing import Any

import numpy as np

from modelyard.serving.engines.encoder import Task
from modelyard.serving.engines.onnx.description import Description, Pooling
from modelyard.serving.engines.onnx.network import Array
from modelyard.serving.errors import EngineFailed

Head = Callable[[Array, Array], list[Any]]
"""Maps a batch's output and mask to rows."""


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
    output = np.asarray(output, np.float32)
    vectors = output if output.ndim == 2 else _pooled(_rank(output, 3), mask, description.pooling)
    return list(normalised(vectors) if description.normalised else vectors)


def _pooled(states: Array, mask: Array, pooling: Pooling) -> Array:
    match pooling:
        case Pooling.CLS:
            return states[:, 0]
        case Pooling.LAST:
            return states[np.arange(len(states)), mask.sum(1) - 1]
        case Pooling.MAX:
            return np.where(mask[:, :, None] > 0, states, -np.inf).max(1)
        case Pooling.MEAN:
            # One product with the mask, which avoids the copy of all states that a plain sum makes.
            weights = mask.astype(np.float32) / mask.sum(1, keepdims=True, dtype=np.float32)
            return (weights[:, None, :] @ states)[:, 0]


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
