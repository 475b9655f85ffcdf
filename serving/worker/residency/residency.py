"""The versions loaded on one device: on demand, within its memory, least recently used out."""

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import ErrorKind
from modelyard.registry.fleet.device_facts import DeviceFacts
from modelyard.registry.fleet.fleet import EngineState, EngineView
from modelyard.registry.fleet.report import Speeds
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.errors import EngineDraining, ServingError
from modelyard.serving.worker.activity import Activity, ActivityReader
from modelyard.serving.worker.devices import machine
from modelyard.serving.worker.devices.telemetry import Telemetry
from modelyard.serving.worker.llama_trial import Computable, Everything
from modelyard.serving.worker.residency.draft_model import with_draft
from modelyard.serving.worker.residency.engine_process import EngineStarter
from modelyard.serving.worker.residency.eviction import (
    DeviceFull,
    MemoryBudget,
    choose_victims,
    restart_delay,
)
from modelyard.serving.worker.residency.fit import fitted
from modelyard.serving.worker.residency.forecast import Forecaster
from modelyard.serving.worker.residency.launch import Launch, with_memory_limit
from modelyard.serving.worker.residency.resident import Quarantined, Resident
from modelyard.serving.worker.residency.versions import VersionSource
from modelyard.serving.worker.residency.watchdog import WatchdogLimits

PATIENCE_S = 5.0
"""Seconds a load waits for a busy version to become idle before it is refused."""


class DeviceFailed(ServingError):
    """The device is in error or maintenance and loads no new versions."""

    code = "device_failed"
    kind = ErrorKind.UNAVAILABLE


@dataclass(slots=True, eq=False)
class Residency:
    """The versions of one device; calls `changed` whenever one of them changes state."""

    versions: VersionSource
    launch: Launch
    forecaster: Forecaster
    starter: EngineStarter
    telemetry: Telemetry
    reader: ActivityReader
    memory_fraction: float
    changed: Callable[[], None]
    patience_s: float = PATIENCE_S
    computable: Computable = field(default_factory=Everything)
    restart_delay: Callable[[int, float], float] = restart_delay
    watchdog: WatchdogLimits = field(default_factory=WatchdogLimits)
    _residents: dict[str, Resident] = field(default_factory=dict[str, Resident])
    _admitting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _draining: bool = False

    async def ensure(self, version_id: str, beside: str = "") -> Resident:
        """Load the version if needed and return it; concurrent callers share one load.

        The version `beside` is not evicted for it, idle or not.

        Raises UnknownModel, FileMissing, ModelUnloadable, NotComputable, DoesNotFit, DeviceFull,
        DeviceFailed, Quarantined, EngineDraining or Unloaded.
        """
        resident = self._alive(version_id)
        if resident is None:
            async with self._admitting:
                resident = self._alive(version_id) or await self._admit(version_id, beside)
        resident.touch()
        await resident.ready()
        return resident

    def keep(self, version_ids: Collection[str]) -> None:
        """Evict these loaded versions last; replaces the previous list."""
        for version_id, resident in self._residents.items():
            resident.kept = version_id in version_ids

    async def unload(self, version_id: str) -> None:
        """Stop a version's engine after its running requests, or end its quarantine."""
        async with self._admitting:
            await self._remove(version_id)

    async def unload_removed(self) -> None:
        """Unload versions that the catalog has no more, each after its running requests."""
        loaded = [*self._residents]
        gone = await asyncio.to_thread(self.versions.removed, loaded) if loaded else ()
        await asyncio.gather(*(self.unload(version_id) for version_id in gone))

    async def close(self) -> None:
        """Refuse new loads, let running requests finish, stop all engines."""
        self._draining = True
        await asyncio.gather(*(self._remove(version_id) for version_id in [*self._residents]))

    async def refresh(self, facts: DeviceFacts) -> None:
        """Query every engine's load and update its measured memory."""
        ready = [(r, r.process) for r in self._residents.values() if r.process is not None]
        answers = await asyncio.gather(*(self.reader.read(p.ready.url) for _, p in ready))
        for (resident, process), activity in zip(ready, answers, strict=True):
            if resident.process is process:
                resident.saw(activity, facts.memory_of(process.pid))

    def learn(self) -> None:
        """Record what the loaded versions use, for later estimates; blocks on the database."""
        for resident in [*self._residents.values()]:
            process = resident.process
            if process is not None:
                told = process.ready.footprint
                self.forecaster.learn(resident.forecast, told, resident.memory)

    def views(self) -> list[EngineView]:
        return [_view(self.telemetry.device.device_id, r) for r in self._residents.values()]

    @property
    def residents(self) -> list[Resident]:
        return [*self._residents.values()]

    @property
    def activity(self) -> Activity:
        """The total load of all engines at the last `refresh`."""
        each = [r.activity for r in self._residents.values() if r.process is not None]
        return Activity(
            sum(a.active for a in each),
            sum(a.queued for a in each),
            sum(a.tokens for a in each),
            sum(a.slots for a in each),
        )

    @property
    def paces(self) -> dict[str, Speeds]:
        """Measured speeds of each version that has served requests here, by version id."""
        return {
            version_id: resident.activity.paces
            for version_id, resident in self._residents.items()
            if resident.activity.paces
        }

    @property
    def engine_slots(self) -> dict[str, int]:
        """Requests each loaded version runs at once, by version id; 0 means that it batches."""
        ready = [(v, r.process.ready) for v, r in self._residents.items() if r.process is not None]
        return {version_id: told.slots for version_id, told in ready}

    def _alive(self, version_id: str) -> Resident | None:
        resident = self._residents.get(version_id)
        if self._draining:
            raise EngineDraining("This worker is about to end and loads nothing.")
        if resident is None or resident.state is not EngineState.FAILED:
            return resident
        left_s = resident.failures.quarantine_left(time.monotonic())
        if left_s > 0 and isinstance(resident.error, Quarantined):
            raise Quarantined(resident.name, resident.error.reason, left_s)
        return None

    async def _admit(self, version_id: str, beside: str) -> Resident:
        version = await asyncio.to_thread(self.versions.find, version_id)
        await self.computable.check(version)
        with ExitStack() as held:
            path = await asyncio.to_thread(held.enter_context, self.versions.hold(version))
            config = await asyncio.to_thread(
                with_draft,
                self.launch.config(version, path),
                version,
                self.launch.draft_model,
                self.versions,
                held=held,
            )
            config = await self._fit(config, version)
            forecast = await asyncio.to_thread(self.forecaster.predict, config, version)
            await self._make_room(version.ref, forecast.expected.total, beside)
            is_gpu = self.telemetry.device.is_gpu
            config = with_memory_limit(config, forecast.expected.total, is_gpu=is_gpu)
            resident = Resident(
                config=config,
                forecast=forecast,
                starter=self.starter,
                release=held.pop_all().close,
                changed=self.changed,
                restart_delay=self.restart_delay,
                limits=self.watchdog,
            )
        before = self._residents.get(version_id)
        if before is not None:
            resident.failures = before.failures.as_of(time.monotonic())
        self._residents[version_id] = resident
        resident.begin()
        return resident

    async def _fit(self, config: EngineConfig, version: ModelVersion) -> EngineConfig:
        """The settings cut to the memory available if all idle versions were evicted."""
        room = await self._measure()
        budget = room.most([r.holding() for r in self._residents.values()])

        def need(smaller: EngineConfig) -> int:
            return self.forecaster.predict(smaller, version).expected.total

        return await asyncio.to_thread(fitted, config, self.launch.pinned, budget, need)

    async def _make_room(self, name: str, need: int, beside: str) -> None:
        deadline = time.monotonic() + self.patience_s
        while True:
            room = await self._measure()
            holdings = [r.holding(stays=i == beside) for i, r in self._residents.items()]
            try:
                victims = choose_victims(name, need, room, holdings)
            except DeviceFull:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.25)
                continue
            await asyncio.gather(*(self._remove(version_id) for version_id in victims))
            return

    async def _measure(self) -> MemoryBudget:
        facts = await self.telemetry.sample()
        if not facts.takes_work:
            raise DeviceFailed(
                f"{facts.gpu_id} ({facts.name}) takes no work: {facts.reason}.",
                fix="Ask another worker, or see to the device; `modelyard gpus` lets it work "
                "again.",
            )
        await self.refresh(facts)
        shared = machine.memory()  # a card that reports no memory shares the machine's
        total = facts.memory_total or shared.total
        free = facts.memory_free
        return MemoryBudget(total, shared.free if free is None else free, self.memory_fraction)

    async def _remove(self, version_id: str) -> None:
        resident = self._residents.pop(version_id, None)
        if resident is not None:
            self.changed()
            await resident.stop(self.launch.drain_s)


def _view(device_id: str, resident: Resident) -> EngineView:
    process = resident.process
    return EngineView(
        device_id=device_id,
        version_id=resident.config.version_id,
        state=resident.state,
        url=process.ready.url if process else "",
        pid=process.pid if process else None,
        memory_bytes=resident.memory,
        load_s=process.ready.load_s if process else 0.0,
        restarts=resident.restarts,
        error=str(resident.error) if resident.error else "",
    )
