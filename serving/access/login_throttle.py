"""Limits on password logins, which are slow on purpose: in parallel, and by name and address."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from modelyard.registry.identity.identity import Identity
from modelyard.serving.errors import TooManyLogins

TRIES = 10
WINDOW_S = 60.0
AT_ONCE = 2
"""Parallel logins: argon2id takes 64 MB and 50 ms of a core each time."""


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
                "Too many logins for this name from this address.", fix="Wait a minute."
            )
        times.append(now)
        if len(self._times) > self.keys:
            self._times.popitem(last=False)


@dataclass(slots=True)
class Logins:
    """Exchanges a name and password for a session token."""

    identity: Identity
    counter: TryCounter = field(default_factory=TryCounter)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def login(self, name: str, password: str, address: str) -> str:
        """A session token; raises NotAuthenticated, or TooManyLogins before a password check."""
        self.counter.allow(f"{name}\n{address}")
        async with self._free:
            return await asyncio.to_thread(self.identity.login, name, password)
