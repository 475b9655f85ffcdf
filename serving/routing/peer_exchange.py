"""Exchanges reserved load with the other gateways many times per second."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from modelyard.serving.admission.gate import Gate
from modelyard.serving.routing.fleet.peer_loads import told
from modelyard.serving.routing.router import Router

PACE_S = 0.02
"""Seconds between two exchanges; requests never wait for one."""


@dataclass(frozen=True, slots=True)
class PeerExchange:
    """A background loop; it keeps trying while Redis does not answer.

    `clock` returns seconds and must be the router's clock.
    """

    router: Router
    gate: Gate
    clock: Callable[[], float] = time.monotonic

    async def exchange(self) -> None:
        """Send this gateway's load once and apply the answer."""
        load = told(self.router.core.cluster.workers, self.clock())
        loads = await self.gate.exchange(load)
        if loads is not None:
            self.router.fleet_sync.hear(loads, self.clock())

    async def run(self) -> None:
        """Exchange for ever, every PACE_S seconds."""
        while True:
            await self.exchange()
            await asyncio.sleep(PACE_S)
