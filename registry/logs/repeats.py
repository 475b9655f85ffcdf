"""A line that comes again and again is written a few times, and then counted."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Kind:
    """Lines of one kind since `since`: those written, and those that were not."""

    since: float
    written: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Repeats:
    """Lets `burst` lines of a kind through in each `window_s` seconds.

    Of `kinds` at once: more of them count as one, so that no variety writes without a bound.
    """

    burst: int = 5
    window_s: float = 60.0
    kinds: int = 500
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Hashable, _Kind] = field(default_factory=dict[Hashable, _Kind])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, kind: Hashable) -> int | None:
        """How many of its kind were left out since the last one; None: leave this one out, too."""
        now = self.clock()
        with self._lock:
            seen = self._kind(kind, now)
            if now - seen.since >= self.window_s:
                seen.since = now
                seen.written = 0
            if seen.written >= self.burst:
                seen.left_out += 1
                return None
            left_out, seen.left_out = seen.left_out, 0
            seen.written += 1
            return left_out

    def _kind(self, kind: Hashable, now: float) -> _Kind:
        if kind not in self._seen and len(self._seen) >= self.kinds:
            self._forget(now)
            if len(self._seen) >= self.kinds:
                kind = None
        return self._seen.setdefault(kind, _Kind(now))

    def _forget(self, now: float) -> None:
        """Those that are over and have nothing left to tell."""
        old = [k for k, seen in self._seen.items() if now - seen.since >= self.window_s]
        for kind in old:
            del self._seen[kind]
