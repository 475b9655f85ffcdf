"""A worker's lifetime: claim a device, serve requests, shut down gracefully."""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.errors import ModelyardError
from modelyard.registry.fleet.device_history import DeviceHistory
from modelyard.registry.fleet.device_orders import DeviceOrders
from modelyard.registry.fleet.fleet import Fleet
from modelyard.registry.fleet.memory_observations import MemoryObservations
from modelyard.registry.installation import open_database, open_store
from modelyard.registry.logs import logger
from modelyard.registry.secrets import internal_token, metrics_token, secret_key
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.worker.activity import ActivityReader
from modelyard.serving.worker.control import Control
from modelyard.serving.worker.devices import machine
from modelyard.serving.worker.devices.detect import open_device
from modelyard.serving.worker.devices.device import Device
from modelyard.serving.worker.devices.sampling import TelemetrySampler
from modelyard.serving.worker.devices.telemetry import Telemetry
from modelyard.serving.worker.llama_trial import LlamaTrial
from modelyard.serving.worker.reporting import Reporter
from modelyard.serving.worker.residency.draft_model import tell_missing
from modelyard.serving.worker.residency.engine_process import EngineStarter
from modelyard.serving.worker.residency.fit import Pinned
from modelyard.serving.worker.residency.forecast import Forecaster
from modelyard.serving.worker.residency.launch import Launch, SpillRoom
from modelyard.serving.worker.residency.residency import Residency
from modelyard.serving.worker.residency.versions import RegisteredVersions
from modelyard.serving.worker.residency.watchdog import WatchdogLimits
from modelyard.serving.worker.server import ControlServer, listen
from modelyard.serving.worker.settings import WorkerSettings

DRAIN_S = 5.0
"""Seconds that running requests get to finish on shutdown; `up` allows the worker 8 in all."""

_log = logger("modelyard.worker")


@dataclass(frozen=True, slots=True)
class Registry:
    """The parts of the registry that a worker needs."""

    fleet: Fleet
    orders: DeviceOrders
    history: DeviceHistory
    catalog: Catalog
    versions: RegisteredVersions
    observations: MemoryObservations
    token: str = field(repr=False)
    metrics_token: str = field(repr=False)
    data: Path

    @classmethod
    def open(cls, settings: RegistrySettings) -> "Registry":
        database = open_database(settings)
        catalog = Catalog(database)
        return cls(
            fleet=Fleet(database),
            orders=DeviceOrders(database),
            history=DeviceHistory(database),
            catalog=catalog,
            versions=RegisteredVersions(catalog, open_store(settings)),
            observations=MemoryObservations(database),
            token=internal_token(secret_key(settings)),
            metrics_token=metrics_token(settings),
            data=settings.data_dir,
        )


def run(
    settings: WorkerSettings,
    registry: RegistrySettings,
    *,
    preload: Sequence[str] = (),
) -> None:
    """Run one worker until SIGTERM or SIGINT; raises UnknownDevice."""
    device = open_device(settings.device, node=settings.node)
    asyncio.run(_work(settings, Registry.open(registry), device, preload=preload))


async def _work(
    settings: WorkerSettings,
    registry: Registry,
    device: Device,
    *,
    preload: Sequence[str],
) -> None:
    ending = _ending()
    headers = {"authorization": f"Bearer {registry.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        worker = await WorkerProcess.open(settings, registry, device, ActivityReader(session))
        await worker.live(ending, preload)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """The parts of one worker."""

    settings: WorkerSettings
    registry: Registry
    telemetry: Telemetry
    residency: Residency
    llama_trial: LlamaTrial
    changed: asyncio.Event

    @classmethod
    async def open(
        cls, settings: WorkerSettings, registry: Registry, device: Device, reader: ActivityReader
    ) -> "WorkerProcess":
        telemetry = await Telemetry.open(device)
        changed = asyncio.Event()
        llama_trial = LlamaTrial(registry.data, on_gpu=device.is_gpu)
        residency = Residency(
            versions=registry.versions,
            launch=_launch(settings, registry, device),
            forecaster=Forecaster(registry.observations, telemetry.facts.kind),
            starter=EngineStarter(settings.engine_start_timeout_s, device.environment),
            telemetry=telemetry,
            reader=reader,
            memory_fraction=settings.memory_fraction,
            changed=changed.set,
            computable=llama_trial,
            watchdog=WatchdogLimits(settings.engine_silent_s, settings.engine_step_s),
        )
        return cls(settings, registry, telemetry, residency, llama_trial, changed)

    async def live(self, ending: "asyncio.Task[bool]", preload: Sequence[str]) -> None:
        """Listen before registering with the fleet; deregister before stopping the engines."""
        listener, url = listen(self.settings.worker_host, self.settings.worker_port)
        control = Control(self.residency, self.registry.token, self.registry.metrics_token)
        server = ControlServer(control.app())
        serving = asyncio.create_task(server.serve_on(listener))
        reporter = self._reporter(url)
        await reporter.register(self.residency.reader)
        _log.info("worker_ready", device=reporter.device_id, url=url)
        reporting = [
            asyncio.create_task(reporter.beat(self.settings.worker_heartbeat_s)),
            asyncio.create_task(reporter.follow()),
            asyncio.create_task(reporter.sweep(self.settings.worker_heartbeat_s)),
            asyncio.create_task(self._preload(preload)),
        ]
        trial = self.llama_trial.begin()
        try:
            await _first_of(ending, serving, *reporting)
        finally:
            await _cancel(*reporting, trial)
            await reporter.leave()
            await self.residency.close()
            server.should_exit = True
            await serving

    def _reporter(self, url: str) -> Reporter:
        return Reporter(
            fleet=self.registry.fleet,
            orders=self.registry.orders,
            url=url,
            pid=os.getpid(),
            telemetry=self.telemetry,
            residency=self.residency,
            changed=self.changed,
            sampler=TelemetrySampler(self.registry.history, self.settings.device_sample_s),
        )

    def _check_draft(self) -> None:
        """Say at the start that the configured draft model is not there, and not at the first load.

        Blocks on the database.
        """
        name = self.settings.draft_model
        if name:
            try:
                self.registry.catalog.find(ModelRef.parse(name))
            except ModelyardError as error:
                tell_missing(name, error)

    async def _preload(self, models: Sequence[str]) -> None:
        await asyncio.to_thread(self._check_draft)
        for model in models:
            try:
                version = await asyncio.to_thread(self.registry.catalog.find, ModelRef.parse(model))
                await self.residency.ensure(version.id)
            except ModelyardError as error:
                _log.error("preload_failed", model=model, reason=str(error))
        await asyncio.Event().wait()  # keep running: this task ends with the worker or on an error


def _launch(settings: WorkerSettings, registry: Registry, device: Device) -> Launch:
    return Launch(
        host=settings.worker_host,
        internal_token=registry.token,
        context_length=settings.context_length,
        parallel=settings.parallel,
        threads=settings.threads or max(1, machine.cores() - 1),
        gpu_layers=settings.gpu_layers if device.is_gpu else 0,
        drain_s=DRAIN_S,
        pinned=Pinned("parallel" in settings.model_fields_set, bool(settings.context_length)),
        draft_model=settings.draft_model,
        kv_type=settings.kv_type,
        speculate=settings.speculate,
        spill=SpillRoom(settings.spill_bytes, str(registry.data / "spill"), settings.spill_after_s),
        store=str(registry.versions.store.root),
    )


def _ending() -> asyncio.Task[bool]:
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asyncio.create_task(asked.wait())


async def _first_of(*tasks: "asyncio.Task[Any]") -> None:
    """Wait until shutdown is requested or a part fails, in which case its error is raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _cancel(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
