"""Prepares a version for promotion beside the previous one: loaded, healthy, seen by gateways."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from modelyard.registry.errors import ErrorKind
from modelyard.registry.fleet.fleet import EngineState, WorkerView
from modelyard.serving.errors import WorkerRefused, WorkerUnreachable
from modelyard.serving.routing.fleet.snapshot import REMEMBER_S, FleetSnapshot, FleetSnapshotCache
from modelyard.serving.upstream.client import Upstream

RETRY_S = 0.5
"""Seconds before asking again after a device had no room or did not answer."""

ANSWER_S = 5.0


@dataclass(slots=True)
class Preparation:
    """One preparation; `refusals` are errors of devices that cannot load the version.

    `previous_id` is the version the alias points to now; None if there is no such version.
    """

    snapshots: FleetSnapshotCache
    upstream: Upstream
    version_id: str
    previous_id: str | None
    load_timeout_s: float
    tell: Callable[[str], None]
    ready: list[str] = field(default_factory=list[str])
    refusals: list[WorkerRefused] = field(default_factory=list[WorkerRefused])
    _left: list[str] = field(default_factory=list[str])

    async def run(self) -> None:
        """Load on as many devices as hold the previous version, at least on one.

        If devices refuse permanently it may be fewer; `ready` lists the devices that answer.
        """
        fleet = await self.snapshots.now()
        holders = _holders(fleet, self.previous_id)
        able = [worker.device_id for worker in fleet.able(self.version_id)]
        have = _holders(fleet, self.version_id)
        self._left = sorted(able, key=lambda d: (d not in have, d not in holders))
        await asyncio.gather(*(self._place() for _ in range(max(1, len(holders)))))
        if self.ready:
            await self._known()

    async def _place(self) -> None:
        """Try one device after another until one is ready or none is left."""
        while self._left:
            device_id = self._left.pop(0)
            worker = (await self.snapshots.now()).worker(device_id)
            if worker is None:
                continue
            try:
                if await self._load(worker):
                    self.ready.append(device_id)
                    self.tell(f"It answers on {device_id}.")
                    return
            except WorkerUnreachable as error:
                self.tell(error.message)
            except WorkerRefused as refusal:
                self.tell(refusal.message)
                if not _is_passing(refusal):
                    self.refusals.append(refusal)
                    continue
            self._left.append(device_id)
            await asyncio.sleep(RETRY_S)

    async def _load(self, worker: WorkerView) -> bool:
        self.tell(f"Loading on {worker.device_id}.")
        loaded = await self.upstream.load(
            worker, self.version_id, timeout_s=self.load_timeout_s, beside=self.previous_id or ""
        )
        return await self.upstream.answers(loaded.url, timeout_s=ANSWER_S)

    async def _known(self) -> None:
        """Wait until the fleet's tables show the version, plus REMEMBER_S for cached snapshots."""
        while True:
            if self._is_shown(await self.snapshots.now()):
                await asyncio.sleep(REMEMBER_S)
                return
            await asyncio.sleep(RETRY_S)

    def _is_shown(self, fleet: FleetSnapshot) -> bool:
        """Whether a snapshot shows every ready device, except devices that have left meanwhile."""
        shown = {target.device_id for target in fleet.ready(self.version_id)}
        living = {worker.device_id for worker in fleet.workers}
        return shown >= living.intersection(self.ready)


def _is_passing(refusal: WorkerRefused) -> bool:
    """Whether a retry may succeed: the worker was overloaded, or unloaded the engine meanwhile."""
    return refusal.kind is ErrorKind.OVERLOADED or refusal.code == "engine_unloaded"


def _holders(fleet: FleetSnapshot, version_id: str | None) -> set[str]:
    """Devices that take work and have the version loaded or loading."""
    fit = {worker.device_id for worker in fleet.able(version_id or "")}
    engines = [e for e in fleet.engines if e.version_id == version_id]
    return {e.device_id for e in engines if e.state is not EngineState.FAILED} & fit
