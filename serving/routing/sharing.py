"""Tells the other gateways what this one has reserved, and hears theirs, many times a second."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from serving.admission.gate import Gate
from serving.routing.router import Router
from serving.routing.shares import told

PACE_S = 0.02
"""Seconds between two words: requests never wait for one."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Goes on beside the requests; without a word from Redis it keeps trying."""

    router: Router
    gate: Gate

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def exchange(self) -> None:
        """Once, to the answer."""
        load = told(self.router.core.yard.workers, time.monotonic())
        loads = await self.gate.exchange(load)
        if loads is not None:
            self.router.observed.hear(loads, time.monotonic())
            self.router.act()

    async def _run(self) -> None:
        while True:
            await self.exchange()
            await asyncio.sleep(PACE_S)
