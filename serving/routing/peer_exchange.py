"""Tells the other gateways what this one has reserved, and hears theirs, many times a second."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from modelyard.serving.admission.gate import Gate
from modelyard.serving.routing.fleet.peer_loads import told
from modelyard.serving.routing.router import Router

PACE_S = 0.02
"""Seconds between two words: requests never wait for one."""


@dataclass(frozen=True, slots=True)
class PeerExchange:
    """Goes on beside the requests; without a word from Redis it keeps trying.

    `clock` tells seconds, as the router's do.
    """

    router: Router
    gate: Gate
    clock: Callable[[], float] = time.monotonic

    async def exchange(self) -> None:
        """Once, to the answer."""
        load = told(self.router.core.cluster.workers, self.clock())
        loads = await self.gate.exchange(load)
        if loads is not None:
            self.router.fleet_sync.hear(loads, self.clock())

    async def run(self) -> None:
        """Without end."""
        while True:
            await self.exchange()
            await asyncio.sleep(PACE_S)
