"""Limits how long shorter requests may overtake a longer one in a worker's queue."""

from dataclasses import dataclass

SENT_SHARE = 0.02
"""Weight of each sent request in the moving averages behind `wait_ratio`."""

MOST_OVERTAKEN_S = 90.0
"""The longest time in seconds that a request may be overtaken."""

WORK_POWER = 2.5
"""Waiting grows with a request's work to this power: a few long requests wait, most hardly do."""


@dataclass(slots=True)
class Overtaking:
    """`wait_ratio` is the seconds that requests wait per second of work to the WORK_POWER."""

    wait_ratio: float = 2.0
    _waited_s: float = 1.0
    _work: float = 0.5

    def most_s(self, whole_s: float) -> float:
        """Seconds for which shorter requests may overtake a request that takes `whole_s`."""
        return min(MOST_OVERTAKEN_S, self.wait_ratio * whole_s**WORK_POWER)

    def waited(self, seconds: float, whole_s: float) -> None:
        """Record that a request that takes `whole_s` has waited for `seconds`."""
        self._waited_s += SENT_SHARE * (seconds - self._waited_s)
        self._work += SENT_SHARE * (whole_s**WORK_POWER - self._work)
        self.wait_ratio = self._waited_s / max(self._work, 1e-9)
