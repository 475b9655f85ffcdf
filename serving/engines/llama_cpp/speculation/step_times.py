"""Measures how much longer drafts make a step."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

_WEIGHT = 0.1  # of a new step
_RATE = 0.25  # learning rate of the draft costs
_OUTLIER = 3.0
"""A step this many times slower than expected is capped: something else took its core."""

_TOKENS = 4.0  # scale: this many tokens weigh as much as a pass


@dataclass(frozen=True, slots=True)
class Extra:
    """What drafts add to a step: tokens, and passes over the weights."""

    tokens: int
    passes: int


NOTHING = Extra(0, 0)


@dataclass(slots=True)
class StepTimes:
    """Seconds of a step without drafts, by number of writers, and of each token and pass added.

    Drafts count as free until some were measured.
    """

    plain: dict[int, float] = field(default_factory=dict[int, float])
    token: float = 0.0
    each_pass: float = 0.0

    def of(self, writers: int, extra: Extra) -> float:
        return self.plain[writers] + self.token * extra.tokens + self.each_pass * extra.passes

    def saw(self, writers: int, extra: Extra, seconds: float) -> None:
        known = self.plain.get(writers)
        if known is None or not extra.tokens:
            known = seconds if known is None else known
            self.plain[writers] = known + _WEIGHT * (min(seconds, _OUTLIER * known) - known)
            return
        expected = self.of(writers, extra)
        tokens = extra.tokens / _TOKENS
        passes = float(extra.passes)
        # Normalised least mean squares: distribute a share of the error in proportion to each
        # input.
        share = _RATE * (min(seconds, _OUTLIER * expected) - expected)
        share /= tokens * tokens + passes * passes
        self.token = max(self.token + share * tokens / _TOKENS, 0.0)
        self.each_pass = max(self.each_pass + share * passes, 0.0)


def extra_passes(writers: Sequence[int], guessed: Collection[int]) -> int:
    """Extra passes over the weights if only some of the writers have drafts.

    With memory split by sequence, llama.cpp batches only neighbouring slots, and of each as many
    tokens as the shortest has: slots with more run again, neighbours together.
    """
    found = 0
    run = list[int]()
    for index in sorted(writers):
        if run and index != run[-1] + 1:
            found += _mixed(run, guessed)
            run = []
        run.append(index)
    return found + _mixed(run, guessed)


def _mixed(run: list[int], guessed: Collection[int]) -> int:
    """Groups of neighbours that run again; 0 if all or none of them do."""
    again = [index in guessed for index in run]
    if all(again):
        return 0
    return sum(now and not before for before, now in zip([False, *again], again, strict=False))
