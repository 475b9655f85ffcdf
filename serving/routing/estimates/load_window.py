"""A worker's recent load: its utilization, and how many requests follow a second of work."""

import math
from dataclasses import dataclass

HALF_LIFE_S = 60.0
YOUNG_S = 10.0
"""Sent work counts half after HALF_LIFE_S; a window is taken to span at least YOUNG_S."""

LEAST_IDLE = 0.1


@dataclass(slots=True)
class LoadWindow:
    """Decaying sums of requests, their prompt seconds, and their total seconds.

    `followers` is how many requests arrive, per second of queued prompts, before the worker is
    idle again: the requests that any added work delays.
    """

    followers: float = 0.0
    _requests: float = 0.0
    _prefill_s: float = 0.0
    _whole_s: float = 0.0
    _begun: float = 0.0
    _at: float = 0.0

    def add(self, prefill_s: float, whole_s: float, now: float) -> None:
        """Record a sent request."""
        if not self._requests:
            self._begun = self._at = now
        self.passed(now, 1, prefill_s, whole_s)

    def passed(
        self, now: float, requests: int = 0, prefill_s: float = 0.0, whole_s: float = 0.0
    ) -> None:
        """Decay the sums up to `now`, add what was sent then, and update `followers`."""
        fade = self._fading(now)
        seen_s = self._seen_s(now)
        self._requests = self._requests * fade + requests
        self._prefill_s = self._prefill_s * fade + prefill_s
        self._whole_s = self._whole_s * fade + whole_s
        self._at = now
        self.followers = self._requests / max(LEAST_IDLE * seen_s, seen_s - self._prefill_s)

    def use(self, now: float) -> float:
        """The worker's utilization, as a share of its time."""
        return self._whole_s * self._fading(now) / self._seen_s(now)

    def _fading(self, now: float) -> float:
        return 0.5 ** ((now - self._at) / HALF_LIFE_S)

    def _seen_s(self, now: float) -> float:
        """The window's length in seconds, as if sums did not decay within it."""
        lasted = max(YOUNG_S, now - self._begun)
        return HALF_LIFE_S / math.log(2) * (1 - 0.5 ** (lasted / HALF_LIFE_S))
