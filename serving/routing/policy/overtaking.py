"""Limits how far shorter requests may overtake longer ones in a worker's queue."""

from dataclasses import dataclass
from enum import Enum


class QueueOrder(Enum):
    """The order of waiting requests (docs/decisions/0030).

    FAIR is first come, first served. BALANCED starts the shortest first as long as nobody waits
    SLACK_SHARE longer than with FAIR, or longer than PATIENCE times what requests wait now.
    THROUGHPUT lets long requests wait in proportion to their work to the WORK_POWER, for
    MOST_OVERTAKEN_S at most.
    """

    FAIR = "fair"
    BALANCED = "balanced"
    THROUGHPUT = "throughput"


SLACK_SHARE = 0.1
"""BALANCED: later requests may take this share of the seconds ahead of a request before it."""

PATIENCE = 2.0
"""BALANCED: whoever would wait less with FAIR may wait so many times as requests do on average."""

MOST_PATIENCE_S = 30.0
"""The longest that PATIENCE lets anybody wait, in seconds."""

SENT_SHARE = 0.02
"""Weight of each sent request in the moving averages of waiting and work."""

MOST_OVERTAKEN_S = 90.0
"""The longest time in seconds that a request may be overtaken."""

WORK_POWER = 2.5
"""Waiting grows with a request's work to this power: a few long requests wait, most hardly do."""


@dataclass(slots=True)
class Overtaking:
    """`wait_ratio` is the seconds that requests wait per second of work to the WORK_POWER."""

    order: QueueOrder = QueueOrder.BALANCED
    wait_ratio: float = 2.0
    _waited_s: float = 1.0
    _work: float = 0.5

    def most_s(self, whole_s: float) -> float:
        """Seconds by which a request that takes `whole_s` ranks behind its arrival."""
        if self.order is not QueueOrder.THROUGHPUT:
            return 0.0
        return min(MOST_OVERTAKEN_S, self.wait_ratio * whole_s**WORK_POWER)

    def slack_s(self, ahead_s: float) -> float:
        """Seconds of later requests that may start before one with `ahead_s` before it."""
        if self.order is not QueueOrder.BALANCED:
            return 0.0
        patience_s = min(MOST_PATIENCE_S, PATIENCE * self._waited_s)
        return max(SLACK_SHARE * ahead_s, patience_s - ahead_s)

    def waited(self, seconds: float, whole_s: float) -> None:
        """Record that a request that takes `whole_s` has waited for `seconds`."""
        self._waited_s += SENT_SHARE * (seconds - self._waited_s)
        self._work += SENT_SHARE * (whole_s**WORK_POWER - self._work)
        self.wait_ratio = self._waited_s / max(self._work, 1e-9)
