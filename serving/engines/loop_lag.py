"""How late an event loop runs what is due: its answers wait as long."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_EVERY_S = 0.05
_KEPT = 1200  # a minute of looks


@dataclass(slots=True)
class LoopLag:
    """The delays of the last minute, in seconds."""

    seen: deque[float] = field(default_factory=lambda: deque[float](maxlen=_KEPT))

    @property
    def p99_ms(self) -> float:
        """0 where nothing was seen yet."""
        found = sorted(self.seen)
        return round(found[len(found) * 99 // 100] * 1e3, 3) if found else 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Look at the running loop until the block ends."""
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()

    async def _look(self) -> None:
        while True:
            due = time.monotonic() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            self.seen.append(max(time.monotonic() - due, 0.0))
