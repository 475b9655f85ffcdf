"""How long a request may be overtaken by what takes less: the order of waiting on one worker."""

from dataclasses import dataclass

SENT_SHARE = 0.02
"""How much each request that is sent counts in its worker's `wait_ratio`."""

MOST_OVERTAKEN_S = 90.0
"""The longest that a request may be overtaken."""

WORK_POWER = 2.5
"""Waiting grows with a request's work to this power: a few wait long, so that most hardly do."""


@dataclass(slots=True)
class Overtaking:
    """`wait_ratio`: seconds that requests wait for each second of work to the WORK_POWER."""

    wait_ratio: float = 2.0
    _waited_s: float = 1.0
    _work: float = 0.5

    def most_s(self, whole_s: float) -> float:
        """For how long one that takes so many seconds may be overtaken by what takes less."""
        return min(MOST_OVERTAKEN_S, self.wait_ratio * whole_s**WORK_POWER)

    def waited(self, seconds: float, whole_s: float) -> None:
        """One that takes so long in all has waited for so many seconds."""
        self._waited_s += SENT_SHARE * (seconds - self._waited_s)
        self._work += SENT_SHARE * (whole_s**WORK_POWER - self._work)
        self.wait_ratio = self._waited_s / max(self._work, 1e-9)
