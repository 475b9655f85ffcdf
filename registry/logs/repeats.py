"""Limits repeated log lines: a few are written, the rest are counted."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Kind:
    """Counts of one kind of line since `since`: written and left out."""

    since: float
    written: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Repeats:
    """Allows `burst` lines of a kind in each window of `window_s` seconds.

    At most `kinds` kinds are tracked; further ones share one budget, so that total output stays
    bounded.
    """

    burst: int = 5
    window_s: float = 60.0
    kinds: int = 500
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Hashable, _Kind] = field(default_factory=dict[Hashable, _Kind])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, kind: Hashable) -> int | None:
        """How many lines of this kind were left out since the last one; None: skip this one too."""
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
        """Drop kinds whose window is over, freeing room for new ones."""
        old = [k for k, seen in self._seen.items() if now - seen.since >= self.window_s]
        for kind in old:
            del self._seen[kind]
