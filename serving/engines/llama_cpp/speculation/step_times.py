"""What guesses cost: how much longer a step takes by them is measured, not assumed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

_WEIGHT = 0.1  # of a new step
_RATE = 0.25  # at which the costs of guesses follow what was measured
_OUTLIER = 3.0
"""A step that took so many times longer was kept from its core by something else."""

_TOKENS = 4.0  # as much as a pass, in scale


@dataclass(frozen=True, slots=True)
class Extra:
    """What guesses add to a step: tokens, and passes over the weights."""

    tokens: int
    passes: int


NOTHING = Extra(0, 0)


@dataclass(slots=True)
class StepTimes:
    """Seconds of steps without guesses by how many write, and of each thing guesses add.

    Guesses count as free until some were made.
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
        # Normalised least mean squares: a share of the error, to each in its proportion.
        share = _RATE * (min(seconds, _OUTLIER * expected) - expected)
        share /= tokens * tokens + passes * passes
        self.token = max(self.token + share * tokens / _TOKENS, 0.0)
        self.each_pass = max(self.each_pass + share * passes, 0.0)


def extra_passes(writers: Sequence[int], guessed: Collection[int]) -> int:
    """How often more llama.cpp goes over the weights where only some of the writers are guessed.

    Memory that is split by sequence takes only neighbours together, and of each as many tokens
    as the one with the fewest has: those with more go again, neighbours together.
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
    """Groups of neighbours that go again; none where all do, or nobody."""
    again = [index in guessed for index in run]
    if all(again):
        return 0
    return sum(now and not before for before, now in zip([False, *again], again, strict=False))
