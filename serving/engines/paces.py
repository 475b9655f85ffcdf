"""How fast steps of like size go: the one speed that devices can be compared by.

Tokens a second grow with the tokens that share a step, so a busy device would seem faster than an
idle one of its kind. Of steps with about as many tokens it shows which device is really slower.
"""

from dataclasses import dataclass, field

_KEPT = 0.98  # of the past with each step: about the last fifty of a size


@dataclass(slots=True)
class StepSpeed:
    """Steps of one size: how many there were, and the fading sums of their tokens and seconds."""

    steps: int = 0
    tokens: float = 0.0
    seconds: float = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self.steps += 1
        self.tokens = self.tokens * _KEPT + tokens
        self.seconds = self.seconds * _KEPT + seconds


@dataclass(slots=True)
class StepSpeeds:
    """By size, which is a step's tokens up to the next power of two; one thread writes."""

    _by_size: dict[int, StepSpeed] = field(default_factory=dict[int, StepSpeed])

    def add(self, tokens: int, seconds: float) -> None:
        size = 1 << max(tokens - 1, 0).bit_length()
        pace = self._by_size.get(size)
        if pace is None:
            pace = self._by_size[size] = StepSpeed()
        pace.add(tokens, seconds)

    def as_json(self) -> dict[str, list[float]]:
        """For each size the steps so far, and tokens a second of late."""
        return {
            str(size): [pace.steps, round(pace.tokens / pace.seconds, 2)]
            for size, pace in [*self._by_size.items()]
            if pace.seconds > 0
        }
