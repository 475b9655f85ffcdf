"""Looks at the devices, tells of what changes, and keeps their history and the notices small."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.database import utc_now
from modelyard.registry.fleet.device_states import DeviceStates
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.registry.fleet.rollup import HistoryRollup
from modelyard.registry.logs import logger
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.serving.observability.notice_stats import NoticeStats
from modelyard.serving.routing.fleet.device_changes import (
    SeenDevice,
    Threshold,
    changes,
    raised,
)
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
from modelyard.serving.settings import NoticeSettings

LOOK_S = 5.0
TIDY_EVERY = 60
"""Looks, five minutes of them, between two that also prune notices and roll up the history."""

_log = logger("modelyard.devices")


def thresholds_of(settings: NoticeSettings) -> list[Threshold]:
    """The alerts that are switched on."""
    every = (
        Threshold("temperature", settings.alert_temperature, settings.alert_temperature - 5),
        Threshold("memory", settings.alert_memory, settings.alert_memory - 0.03),
        Threshold("error_rate", settings.alert_error_rate, settings.alert_error_rate / 2),
    )
    return [one for one in every if one.above]


@dataclass(slots=True, eq=False)
class DeviceWatch:
    """Runs in every gateway; the tables see to it that each change is told once.

    `workers` gives all of the last day, `error_rates` the failed share of each device's requests of
    the last minutes; `published` is called after something was told.
    """

    snapshots: FleetSnapshotCache
    workers: Callable[[], Awaitable[Sequence[WorkerView]]]
    error_rates: Callable[[], Awaitable[Mapping[str, float]]]
    states: DeviceStates
    thresholds: Sequence[Threshold]
    stats: NoticeStats
    published: Callable[[], None]
    history: HistoryRollup
    book: NoticeBook
    _heartbeats: dict[str, datetime] = field(default_factory=dict[str, datetime])

    async def run(self, look_s: float = LOOK_S) -> None:
        """Look every `look_s` seconds; while the database is away nothing is known to have changed.

        Workers that are started together with their gateway have reported by the first look.
        """
        looks = 0
        while True:
            await asyncio.sleep(look_s)
            try:
                await self.look()
                if looks % TIDY_EVERY == 0:
                    await asyncio.to_thread(self._tidy)
                looks += 1
            except SQLAlchemyError as error:
                _log.warning("devices_not_watched", reason=str(error).splitlines()[0])

    async def look(self) -> None:
        """Tell of all that has changed since somebody looked last."""
        seen = await self._seen()
        known = await asyncio.to_thread(self.states.all)
        found = changes(seen, known, self.thresholds)
        if found:
            if await asyncio.to_thread(self.states.change, found):
                self.published()
            known = await asyncio.to_thread(self.states.all)
        self.stats.alerts = raised(known)

    async def _seen(self) -> list[SeenDevice]:
        await self.snapshots.now()
        rates = await self.error_rates()
        workers = await self.workers()
        before = self._heartbeats
        self._heartbeats = {worker.device_id: worker.heartbeat_at for worker in workers}
        return [
            SeenDevice(
                worker.device_id,
                worker.device,
                is_lost=not self.snapshots.signs.is_alive(worker),
                is_beating=before.get(worker.device_id, worker.heartbeat_at) != worker.heartbeat_at,
                error_rate=rates.get(worker.device_id, 0.0),
            )
            for worker in workers
        ]

    def _tidy(self) -> None:
        self.book.prune()
        self.history.run(utc_now())
