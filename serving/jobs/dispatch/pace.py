"""How much background work may run beside live traffic: slowly more, at once much less."""

from dataclasses import dataclass, field

from modelyard.serving.observability.request_record import Histogram

STEP_S = 1.0
"""Seconds between two decisions."""

WORSE = 1.2
"""Live requests' first bytes may take so many times as long as without background work."""

LEAST_ANSWERS = 5
"""So many live answers are looked at before anything is concluded from them."""

FORGETS = 0.02
"""What is usual follows a slower pace of live traffic by this share at each look."""

START = 2.0
MOST = 4096.0


@dataclass(slots=True)
class FirstBytes:
    """Whether live requests of one model wait longer for their first byte than is usual.

    Jobs are not in the histogram: it is fed by those whose client is connected.
    """

    usual_s: float = 0.0
    _count: int = 0
    _total: float = 0.0

    def are_late(self, seen: Histogram, *, is_alone: bool) -> bool:
        """Look at what came since the last look; `is_alone`: no background work ran meanwhile."""
        count = sum(seen.counts)
        came = count - self._count
        if came < LEAST_ANSWERS:
            return False
        mean = (seen.total - self._total) / came
        self._count = count
        self._total = seen.total
        if is_alone or not self.usual_s or mean < self.usual_s:
            self.usual_s = mean
            return False
        is_late = mean > self.usual_s * WORSE
        self.usual_s += FORGETS * (mean - self.usual_s)
        return is_late


@dataclass(slots=True)
class BackgroundPace:
    """The most background jobs of one model in hand at once, by additive increase.

    `is_crowded` at a look halves it, down to one; a look that finds all of it used adds a step.
    """

    limit: float = START
    first_bytes: FirstBytes = field(default_factory=FirstBytes)
    _looked_at: float = 0.0

    def look(self, now: float, in_hand: int, *, is_crowded: bool, step: int) -> None:
        """Decide anew, at most once in STEP_S; `step` is how much one increase adds."""
        if now - self._looked_at < STEP_S:
            return
        self._looked_at = now
        if is_crowded:
            self.limit = max(1.0, self.limit / 2)
        elif in_hand + step >= self.limit:
            self.limit = min(MOST, self.limit + step)

    def room(self, in_hand: int) -> int:
        return max(0, int(self.limit) - in_hand)
