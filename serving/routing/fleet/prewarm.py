"""Keeps champion versions loaded, and for a while the versions that they replaced.

Every gateway computes this from the database alone, even right after its start, and the orders are
idempotent: the gateways agree without electing a leader.
"""

import asyncio
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.catalog.preparations import Preparations
from modelyard.registry.catalog.promotions import Promotion, Promotions
from modelyard.registry.database import utc_now
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.registry.logs import logger
from modelyard.serving.errors import Unavailable
from modelyard.serving.routing.fleet.snapshot import FleetSnapshot, FleetSnapshotCache
from modelyard.serving.upstream.client import Upstream

EVERY_S = 5.0
BACK_WITHIN = timedelta(minutes=30)
"""For this long after a promotion the previous champion stays loaded, for a quick rollback."""

ANSWER_S = 5.0

_log = logger("modelyard.warmth")


@dataclass(frozen=True, slots=True)
class PrewarmPlan:
    """The version ids to keep, by device id, and the recent champions not loaded anywhere."""

    keep: dict[str, list[str]]
    missing: tuple[str, ...]


def plan(
    fleet: FleetSnapshot,
    champions: Sequence[Promotion],
    preparing: Collection[str],
    since: datetime,
) -> PrewarmPlan:
    """Plan which versions to keep and which recent champions to load.

    Champions promoted after `since` are loaded ahead, and the versions they replaced are kept.
    Versions that a promotion is `preparing` (ids) are kept too; that promotion loads them itself.
    """
    fresh = [champion for champion in champions if champion.at > since]
    wanted = {champion.version_id for champion in champions}.union(preparing)
    wanted |= {champion.previous_id for champion in fresh if champion.previous_id}
    keep: dict[str, list[str]] = {worker.device_id: [] for worker in fleet.workers}
    for engine in fleet.engines:
        if engine.version_id in wanted:
            keep.setdefault(engine.device_id, []).append(engine.version_id)
    loaded = {engine.version_id for engine in fleet.engines}
    missing = [x.version_id for x in fresh if x.version_id not in loaded]
    return PrewarmPlan(keep, tuple(missing))


@dataclass(slots=True)
class Prewarmer:
    """A slow background loop; what fails in one round is retried in the next."""

    snapshots: FleetSnapshotCache
    promotions: Promotions
    preparations: Preparations
    upstream: Upstream
    load_timeout_s: float
    _told: dict[str, object] = field(default_factory=dict[str, object])

    async def look(self) -> None:
        """One round: tell workers which versions to keep, and load missing recent champions."""
        fleet = await self.snapshots.now()
        loaded = {engine.version_id for engine in fleet.engines}
        champions = await asyncio.to_thread(self.promotions.around, loaded)
        preparing = await asyncio.to_thread(self.preparations.standing)
        wanted = plan(fleet, champions, preparing, utc_now() - BACK_WITHIN)
        self._told = {w.device_id: self._told.get(w.device_id) for w in fleet.workers}
        for worker in fleet.workers:
            await _tried(self._keep(worker, wanted.keep[worker.device_id]))
        for version_id in wanted.missing:
            first = next(iter(fleet.able(version_id)), None)
            if first is not None:
                await _tried(self._load(first, version_id))

    async def _keep(self, worker: WorkerView, version_ids: list[str]) -> None:
        told = (worker.started_at, version_ids)
        if self._told[worker.device_id] != told:
            await self.upstream.keep(worker, version_ids, timeout_s=ANSWER_S)
            self._told[worker.device_id] = told

    async def _load(self, worker: WorkerView, version_id: str) -> None:
        await self.upstream.load(worker, version_id, timeout_s=self.load_timeout_s)

    async def run(self) -> None:
        """Run a round every EVERY_S seconds, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await _tried(self.look())


async def _tried(work: Awaitable[None]) -> None:
    """Await `work`; database errors and Unavailable are logged and left to the next round."""
    try:
        await work
    except (SQLAlchemyError, Unavailable) as error:
        _log.warning("not_kept_warm", reason=str(error).splitlines()[0])
