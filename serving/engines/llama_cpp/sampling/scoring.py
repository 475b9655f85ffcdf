"""Logprobs from the model's raw logits: before bias, penalties and temperature."""

import math
from dataclasses import dataclass

import numpy as np

from modelyard.serving.engines.generation import TokenPosition
from modelyard.serving.engines.llama_cpp.model.binding import Logits

_DEPTH = 64  # tokens in a column


@dataclass(frozen=True, slots=True)
class Score:
    """A token's logprob at its position, and the likeliest tokens there with theirs."""

    token: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()
    place: TokenPosition = TokenPosition.WRITTEN


def score(row: Logits, token: int, top: int, place: TokenPosition = TokenPosition.WRITTEN) -> Score:
    """Score a token with the logits that precede it."""
    peak = row.max()
    above = row - peak
    total = float(peak) + math.log(np.exp(above, out=above).sum())
    return Score(token, float(row[token]) - total, _likeliest(row, top, total), place)


def _likeliest(row: Logits, count: int, total: float) -> tuple[tuple[int, float], ...]:
    if not count:
        return ()
    best = np.flatnonzero(row >= _reached(row, count))
    ranked = best[np.argsort(-row[best], kind="stable")][:count]
    return tuple((int(token), float(row[token]) - total) for token in ranked)


def _reached(row: Logits, count: int) -> float:
    """A logit that at least `count` tokens reach, found faster than by partitioning the whole row.

    It is the `count`th best of the columns' maxima, each of which is a token of its own.
    """
    width = len(row) // _DEPTH
    if width < count:
        return -math.inf
    bests = row[: width * _DEPTH].reshape(_DEPTH, width).max(axis=0)
    return float(np.partition(bests, -count)[-count])
