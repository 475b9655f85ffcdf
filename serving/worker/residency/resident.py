"""One version on this device: load it, restart it, give up if it will not load, stop it."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from modelyard.registry.errors import ErrorKind
from modelyard.registry.fleet.fleet import EngineState
from modelyard.registry.logs import logger
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.errors import ModelUnloadable, ServingError
from modelyard.serving.worker.activity import Activity
from modelyard.serving.worker.residency.engine_process import (
    EngineCrashed,
    EngineProcess,
    EngineStarter,
)
from modelyard.serving.worker.residency.eviction import (
    ATTEMPTS,
    QUARANTINE_S,
    SETTLED_S,
    LoadFailures,
    MemoryShare,
    restart_delay,
)
from modelyard.serving.worker.residency.forecast import Forecast
from modelyard.serving.worker.residency.watchdog import Watchdog, WatchdogLimits

JUST_ASKED_S = 1.0
"""Seconds after `touch` that a version counts as busy: the request is still on its way."""

_log = logger("modelyard.worker")


class Quarantined(ServingError):
    """A version failed to load repeatedly and is not retried for some minutes."""

    code = "engine_quarantined"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, name: str, reason: ServingError, left_s: float) -> None:
        super().__init__(
            f"{name} failed to load {ATTEMPTS} times; it can be asked for again in {left_s:.0f} s. "
            f"Last time: {reason.message}",
            fix=reason.fix,
        )
        self.reason = reason


class Unloaded(ServingError):
    """A version was unloaded while a caller waited for it."""

    code = "engine_unloaded"
    kind = ErrorKind.UNAVAILABLE


@dataclass(slots=True, eq=False)
class Resident:
    """Runs one engine process; `release` releases its files, `changed` notifies the reporter.

    `restart_delay` maps failures in a row and a chance of 0..1 to seconds before the next start.
    """

    config: EngineConfig
    forecast: Forecast
    starter: EngineStarter
    release: Callable[[], None]
    changed: Callable[[], None]
    restart_delay: Callable[[int, float], float] = restart_delay
    limits: WatchdogLimits = field(default_factory=WatchdogLimits)
    failures: LoadFailures = field(default_factory=LoadFailures)
    state: EngineState = EngineState.LOADING
    process: EngineProcess | None = None
    memory: int = 0
    restarts: int = 0
    kept: bool = False
    error: ServingError | None = None
    activity: Activity = field(default_factory=Activity)
    last_used: float = field(default_factory=time.monotonic)
    _asked: float = field(default_factory=time.monotonic)
    _settled: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _deaths: int = 0
    _watchdog: Watchdog = field(init=False)

    def __post_init__(self) -> None:
        self._watchdog = Watchdog(self.limits)

    @property
    def name(self) -> str:
        return self.config.model_name

    @property
    def need(self) -> int:
        """Bytes, as predicted before the load."""
        return self.forecast.expected.total

    def begin(self) -> None:
        self.memory = self.need
        self._task = asyncio.create_task(self._keep(), name=f"engine of {self.name}")
        self.changed()

    def touch(self) -> None:
        self.last_used = self._asked = time.monotonic()

    async def ready(self) -> EngineProcess:
        """Wait for a load or restart to finish; raises the reason if the version was given up."""
        while self.process is None:
            await self._settled.wait()
            if self.process is None and self.error is not None:
                raise self.error
        return self.process

    def saw(self, activity: Activity | None, memory: int | None) -> None:
        """Apply a measurement; `activity` None means no answer, which counts as busy.

        An engine that is silent for too long is killed, and then started anew like any that ends.
        """
        before = self.activity
        fault = self._watchdog.heard(activity, time.monotonic())
        activity = activity or Activity(active=1, tokens=before.tokens, paces=before.paces)
        if activity != before or not activity.is_idle:
            self.last_used = time.monotonic()
        self.activity = activity
        if self.process is not None:
            self.memory = max(self._told(self.process), memory or 0)
            if fault:
                self.process.kill(fault)

    def holding(self, *, stays: bool = False) -> MemoryShare:
        """Its share of the device's memory; with `stays` it counts as busy and is not evicted."""
        loading = self.process is None
        just_asked = time.monotonic() - self._asked < JUST_ASKED_S
        busy = stays or loading or just_asked or not self.activity.is_idle
        version_id = self.config.version_id
        return MemoryShare(version_id, self.memory, self.last_used, busy, loading, self.kept)

    async def stop(self, grace_s: float) -> None:
        """Stop the engine gracefully, within little more than `grace_s` seconds."""
        task = self._task
        process = self.process
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if process is not None:
            await process.stop(grace_s)

    async def _keep(self) -> None:
        try:
            while await self._load():
                await self._watch()
        finally:
            self.release()
            if self.state is not EngineState.FAILED:
                self._give_up(Unloaded(f"{self.name} was unloaded."))

    async def _load(self) -> bool:
        while True:
            try:
                self._is_ready(await self.starter.start(self.config))
            except ModelUnloadable as error:
                self._failed_to_load(error)
                return False
            except EngineCrashed as error:
                self._failed_to_load(error)
                if self.failures.count >= ATTEMPTS:
                    return False
                await self._pause(self.failures.count)
            else:
                return True

    def _told(self, process: EngineProcess) -> int:
        """Bytes the engine reports, plus the expected driver overhead if it reports none."""
        told = process.ready.footprint
        return told.total + (0 if told.process else self.forecast.expected.process)

    def _is_ready(self, process: EngineProcess) -> None:
        self.process = process
        self.memory = self._told(process)
        self.failures = LoadFailures()
        self.activity = Activity()
        self._watchdog = Watchdog(self.limits)
        self.state = EngineState.READY
        self._settled.set()
        self.changed()
        _log.info("engine_ready", model=self.name, pid=process.pid, load_s=process.ready.load_s)

    def _failed_to_load(self, error: ServingError) -> None:
        self.failures = self.failures.and_now(time.monotonic())
        if self.failures.count >= ATTEMPTS:
            self._give_up(Quarantined(self.name, error, QUARANTINE_S))
        elif isinstance(error, ModelUnloadable):
            self._give_up(error)
        else:
            self._down(error)

    async def _watch(self) -> None:
        assert self.process is not None  # noqa: S101  _load has just set it
        begun = time.monotonic()
        crash = await self.process.ended()
        settled = time.monotonic() - begun > SETTLED_S
        self.restarts += 1
        self._deaths = 1 if settled else self._deaths + 1
        self._down(crash)
        await self._pause(self._deaths)

    def _down(self, error: ServingError) -> None:
        self.process = None
        self.error = error
        self.state = EngineState.LOADING
        self._settled.clear()
        self.changed()
        _log.warning("engine_down", model=self.name, reason=str(error))

    def _give_up(self, error: ServingError) -> None:
        self.process = None
        self.error = error
        self.state = EngineState.FAILED
        self.memory = 0
        self._settled.set()
        self.changed()
        if isinstance(error, Unloaded):
            _log.info("engine_unloaded", model=self.name)
        else:
            _log.error("engine_given_up", model=self.name, reason=str(error))

    async def _pause(self, failures: int) -> None:
        await asyncio.sleep(self.restart_delay(failures, random.random()))  # noqa: S311  jitter
