"""Logprobs of tokens, from the model's own logits: before bias, penalties and temperature."""

import math
from dataclasses import dataclass

import numpy as np

from modelyard.serving.engines.generation import TokenPosition
from modelyard.serving.engines.llama_cpp.model.binding import Logits

_DEPTH = 64  # tokens in a column


@dataclass(frozen=True, slots=True)
class Score:
    """A token's logprob where it stands, and the likeliest tokens there with theirs."""

    token: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()
    place: TokenPosition = TokenPosition.WRITTEN


def score(row: Logits, token: int, top: int, place: TokenPosition = TokenPosition.WRITTEN) -> Score:
    """Score a token by the logits before it."""
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
    """A logit that `count` tokens reach and few more, found far faster than by partitioning all.

    Each column's best is one of that many tokens at least.
    """
    width = len(row) // _DEPTH
    if width < count:
        return -math.inf
    bests = row[: width * _DEPTH].reshape(_DEPTH, width).max(axis=0)
    return float(np.partition(bests, -count)[-count])
