"""Has workers load versions: one order at a time for each place, whoever waits for it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from registry.errors import ModelyardError
from registry.fleet import WorkerView
from serving.routing.observed import Observed
from serving.routing.placement import LoadOrder
from serving.routing.upstream import Loaded, Upstream

NOTICE_S = 0.2
"""Seconds between asking a worker again that has not noticed yet that its engine is gone."""


@dataclass(slots=True)
class Loading:
    """`refusals` is each version's last reason why a worker would not load it."""

    upstream: Upstream
    observed: Observed
    timeout_s: float
    refusals: dict[str, ModelyardError] = field(default_factory=dict[str, ModelyardError])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def begin(self, order: LoadOrder, done: Callable[[ModelyardError | None], None]) -> None:
        """Load in the background; `done` is told the error, None where the version is ready."""
        task = asyncio.ensure_future(self._run(order, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, order: LoadOrder, done: Callable[[ModelyardError | None], None]) -> None:
        lane, problem = order.lane, None
        view = self.observed.view(lane.worker.device_id)
        try:
            for victim in order.victims:
                await self.upstream.unload(view, victim, timeout_s=self.timeout_s)
            loaded = await self._loaded(view, lane.version)
            self.observed.opened(lane, loaded.url, loaded.slots, time.monotonic())
            self.refusals.pop(lane.version, None)
        except ModelyardError as error:
            problem = self.refusals[lane.version] = error
        done(problem)

    async def _loaded(self, worker: WorkerView, version: str) -> Loaded:
        while True:
            loaded = await self.upstream.load(worker, version, timeout_s=self.timeout_s)
            if loaded.url not in self.observed.gone:
                return loaded
            await asyncio.sleep(NOTICE_S)
