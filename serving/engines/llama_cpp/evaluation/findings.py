"""The results of a measurement, as sent by the measuring process."""

from collections.abc import Callable
from dataclasses import dataclass

Told = Callable[[int, int], None]
"""Progress callback: tokens read, total tokens."""


def untold(done: int, total: int) -> None:
    """A progress callback that does nothing."""


@dataclass(frozen=True, slots=True)
class TextMeasurement:
    """One model on one text; `tokens` were scored, `tokens_per_s` is the reading speed."""

    perplexity: float
    tokens: int
    tokens_per_s: float
    memory_bytes: int
    load_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate compared with its reference on one text; divergences in nats per token.

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
    """A short generated text; `ended` means the model on its own would have ended at once."""

    text: str
    tokens: int
    ended: bool
