"""The fixed overhead of one run, measured when the model is loaded."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from modelyard.serving.engines.onnx.tokens import EncodedText

_LEAST = 1.0
_MOST = 100_000.0
_SMALL = (1, 8)
_LARGE = (4, 32)
_LARGE_ON_GPU = (32, 128)


def fixed_cost(run: Callable[[Sequence[EncodedText]], Any], limit: int, *, on_gpu: bool) -> float:
    """The fixed overhead of a run, as the number of tokens readable in that time.

    A small and a larger batch define a line. Each is the best of three runs, because other load on
    the machine only ever slows a run down.
    """
    large = _LARGE_ON_GPU if on_gpu else _LARGE
    few, little = _measure(run, _SMALL, limit)
    many, much = _measure(run, large, limit)
    each = (much - little) / max(many - few, 1)
    if each <= 0:
        return _MOST if on_gpu else _LEAST
    return min(max(little / each - few, _LEAST), _MOST)


def _measure(
    run: Callable[[Sequence[EncodedText]], Any], shape: tuple[int, int], limit: int
) -> tuple[int, float]:
    count = shape[0]
    length = min(shape[1], limit)
    texts = [EncodedText([1] * length, [0] * length)] * count
    run(texts)
    return count * length, min(_seconds(run, texts) for _ in range(3))


def _seconds(run: Callable[[Sequence[EncodedText]], Any], texts: list[EncodedText]) -> float:
    begun = time.perf_counter()
    run(texts)
    return time.perf_counter() - begun
