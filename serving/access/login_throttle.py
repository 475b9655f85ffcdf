"""Counts failed logins by name and address, and by address alone."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from modelyard.serving.errors import TooManyLogins

TRIES = 10
WINDOW_S = 60.0


@dataclass(slots=True)
class TryCounter:
    """Counts tries for each key in a sliding window, for a bounded number of keys."""

    tries: int = TRIES
    window_s: float = WINDOW_S
    keys: int = 10_000
    clock: Callable[[], float] = time.monotonic
    _times: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict[str, deque[float]])

    def allow(self, key: str) -> None:
        """Count one try; raises TooManyLogins if the window is full."""
        now = self.clock()
        times = self._times.setdefault(key, deque())
        self._times.move_to_end(key)
        while times and times[0] <= now - self.window_s:
            times.popleft()
        if len(times) >= self.tries:
            raise TooManyLogins(
                "Too many logins have failed from this address.", fix="Wait a minute."
            )
        times.append(now)
        if len(self._times) > self.keys:
            self._times.popitem(last=False)

    def forgive(self, key: str) -> None:
        """Take back the latest try: it was a right one."""
        times = self._times.get(key)
        if times:
            times.pop()
