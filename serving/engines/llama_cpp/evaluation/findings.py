"""What a measurement finds, as it crosses from the measuring process."""

from collections.abc import Callable
from dataclasses import dataclass

Told = Callable[[int, int], None]
"""Told how many tokens were read, of how many."""


def untold(done: int, total: int) -> None:
    """For whoever does not care how far it is."""


@dataclass(frozen=True, slots=True)
class TextMeasurement:
    """One model on one text; `tokens` were scored, speed is that of reading."""

    perplexity: float
    tokens: int
    tokens_per_s: float
    memory_bytes: int
    load_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate against its reference on one text; divergences in nats per token.

    `load_s` and `memory_bytes` are the candidate's.
    """

    perplexity_reference: float
    perplexity_candidate: float
    kl_mean: float
    kl_p99: float
    top1_agreement: float
    tokens: int
    tokens_per_s_reference: float
    tokens_per_s_candidate: float
    load_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class SampleText:
    """A few tokens as text; `ended`: left to itself the model would have ended at once."""

    text: str
    tokens: int
    ended: bool
