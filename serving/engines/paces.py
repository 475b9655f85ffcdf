"""Speeds of steps of similar size, which make devices comparable.

Tokens per second grow with the tokens in a step, so a busy device would seem faster than an idle
one of the same kind. Comparing steps with similar numbers of tokens shows which device is slower.
"""

from dataclasses import dataclass, field

_KEPT = 0.98  # weight of the past at each step: about the last fifty steps of a size


@dataclass(slots=True)
class StepSpeed:
    """Steps of one size: their number, and decaying sums of their tokens and seconds."""

    steps: int = 0
    tokens: float = 0.0
    seconds: float = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self.steps += 1
        self.tokens = self.tokens * _KEPT + tokens
        self.seconds = self.seconds * _KEPT + seconds


@dataclass(slots=True)
class StepSpeeds:
    """Speeds by step size, rounded up to a power of two tokens; a single thread writes."""

    _by_size: dict[int, StepSpeed] = field(default_factory=dict[int, StepSpeed])

    def add(self, tokens: int, seconds: float) -> None:
        size = 1 << max(tokens - 1, 0).bit_length()
        pace = self._by_size.get(size)
        if pace is None:
            pace = self._by_size[size] = StepSpeed()
        pace.add(tokens, seconds)

    def as_json(self) -> dict[str, list[float]]:
        """For each size the number of steps, and recent tokens per second."""
        return {
            str(size): [pace.steps, round(pace.tokens / pace.seconds, 2)]
            for size, pace in [*self._by_size.items()]
            if pace.seconds > 0
        }
