"""Has workers load versions, in background tasks that no single request owns."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from modelyard.registry.errors import ModelyardError
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.serving.routing.fleet.sync import FleetSync
from modelyard.serving.routing.policy.placement import LoadOrder
from modelyard.serving.upstream.client import Loaded, Upstream

NOTICE_S = 0.2
"""Seconds before asking a worker again that has not yet noticed that its engine is gone."""


@dataclass(slots=True)
class Loading:
    """Runs load orders; `refusals` holds each version's last error from a worker."""

    upstream: Upstream
    fleet_sync: FleetSync
    timeout_s: float
    refusals: dict[str, ModelyardError] = field(default_factory=dict[str, ModelyardError])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def begin(self, order: LoadOrder, done: Callable[[ModelyardError | None], None]) -> None:
        """Load in the background, then call `done` with the error, or None if it is ready."""
        task = asyncio.ensure_future(self._run(order, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, order: LoadOrder, done: Callable[[ModelyardError | None], None]) -> None:
        replica = order.replica
        problem = None
        view = self.fleet_sync.view(replica.worker.device_id)
        try:
            for victim in order.victims:
                await self.upstream.unload(view, victim, timeout_s=self.timeout_s)
            loaded = await self._loaded(view, replica.version)
            self.fleet_sync.opened(replica, loaded.url, loaded.slots, time.monotonic())
            self.refusals.pop(replica.version, None)
        except ModelyardError as error:
            problem = self.refusals[replica.version] = error
        done(problem)

    async def _loaded(self, worker: WorkerView, version: str) -> Loaded:
        while True:
            loaded = await self.upstream.load(worker, version, timeout_s=self.timeout_s)
            if loaded.url not in self.fleet_sync.gone:
                return loaded
            await asyncio.sleep(NOTICE_S)
