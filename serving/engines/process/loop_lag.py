"""Measures how late an event loop runs due callbacks, which delays its answers equally."""

import asyncio
import time
from collections import deque
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from modelyard.serving.background_task import background_task

_EVERY_S = 0.05
_KEPT = 1200  # one minute of samples


@dataclass(slots=True)
class LoopLag:
    """The delays of the last minute, in seconds."""

    seen: deque[float] = field(default_factory=lambda: deque[float](maxlen=_KEPT))

    @property
    def p99_ms(self) -> float:
        """The 99th percentile in milliseconds; 0 without samples."""
        found = sorted(self.seen)
        return round(found[len(found) * 99 // 100] * 1e3, 3) if found else 0.0

    def watched(self) -> AbstractAsyncContextManager[None]:
        """Sample the running loop until the block ends."""
        return background_task(self._look())

    async def _look(self) -> None:
        while True:
            due = time.monotonic() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self.seen.append(max(time.monotonic() - due, 0.0))
