"""What a worker was sent in the last minutes: how busy that keeps it, and who comes next."""

import math
from dataclasses import dataclass

HALF_LIFE_S = 60.0
YOUNG_S = 10.0
"""What was sent counts half after the one; who is younger than the other is not held idle."""

LEAST_IDLE = 0.1


@dataclass(slots=True)
class LoadWindow:
    """Sums that fade: requests, seconds of their prompts, and seconds that they take in all.

    `followers` are the requests that come for each second of prompts on the worker before it has
    no more to compute: those that wait longer for whatever is added there.
    """

    followers: float = 0.0
    _requests: float = 0.0
    _prefill_s: float = 0.0
    _whole_s: float = 0.0
    _begun: float = 0.0
    _at: float = 0.0

    def add(self, prefill_s: float, whole_s: float, now: float) -> None:
        """One request more is sent."""
        if not self._requests:
            self._begun = self._at = now
        self.passed(now, 1, prefill_s, whole_s)

    def passed(
        self, now: float, requests: int = 0, prefill_s: float = 0.0, whole_s: float = 0.0
    ) -> None:
        """Time has passed, with so much sent at its end: who comes seldom follows seldom."""
        fade = self._fading(now)
        seen_s = self._seen_s(now)
        self._requests = self._requests * fade + requests
        self._prefill_s = self._prefill_s * fade + prefill_s
        self._whole_s = self._whole_s * fade + whole_s
        self._at = now
        self.followers = self._requests / max(LEAST_IDLE * seen_s, seen_s - self._prefill_s)

    def use(self, now: float) -> float:
        """The share of the worker's time that all this takes."""
        return self._whole_s * self._fading(now) / self._seen_s(now)

    def _fading(self, now: float) -> float:
        return 0.5 ** ((now - self._at) / HALF_LIFE_S)

    def _seen_s(self, now: float) -> float:
        """For how long sends are remembered, as if none faded."""
        lasted = max(YOUNG_S, now - self._begun)
        return HALF_LIFE_S / math.log(2) * (1 - 0.5 ** (lasted / HALF_LIFE_S))
