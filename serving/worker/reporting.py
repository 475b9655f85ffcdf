"""Reports this device's state and its loaded versions to the registry, periodically."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.errors import ErrorKind
from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus
from modelyard.registry.fleet.device_orders import DeviceOrders
from modelyard.registry.fleet.fleet import EngineView, Fleet
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.logs import logger
from modelyard.serving.errors import ServingError
from modelyard.serving.worker.activity import ActivityReader
from modelyard.serving.worker.devices.device import Device
from modelyard.serving.worker.devices.sampling import TelemetrySampler
from modelyard.serving.worker.devices.telemetry import Telemetry
from modelyard.serving.worker.residency.residency import Residency


class DeviceTaken(ServingError):
    """Another worker holds the device."""

    code = "device_taken"
    kind = ErrorKind.CONFLICT
    exit_code = 5


_log = logger("modelyard.worker")


@dataclass(slots=True, eq=False)
class Reporter:
    """Keeps one worker's rows current; after a database outage it writes what was missed."""

    fleet: Fleet
    orders: DeviceOrders
    url: str
    pid: int
    telemetry: Telemetry
    residency: Residency
    changed: asyncio.Event
    sampler: TelemetrySampler
    _written: dict[str, EngineView] = field(default_factory=dict[str, EngineView])

    @property
    def device_id(self) -> str:
        return self.telemetry.device.device_id

    async def register(self, reader: ActivityReader) -> None:
        """Claim the device, also from a worker that no longer answers; raises DeviceTaken."""
        holder = await asyncio.to_thread(self.fleet.worker, self.device_id)
        if holder is not None and await reader.answers(holder.url):
            raise DeviceTaken(
                f"{self.device_id} has a worker already: process {holder.pid} at {holder.url}.",
                fix=_how_to_share(self.telemetry.device),
            )
        await self._safely(self._take_orders)
        device = _report(await self.telemetry.sample(), self.residency)
        await asyncio.to_thread(
            self.fleet.register_worker, self.device_id, self.url, self.pid, device
        )
        self._written.clear()

    async def beat(self, every_s: float) -> None:
        """Send a heartbeat with measurements every `every_s` seconds; may raise DeviceTaken."""
        while True:
            await self._safely(self._take_orders)
            facts = await self.telemetry.sample()
            await self.residency.refresh(facts)
            await self._safely(self._sign, _report(facts, self.residency))
            await self._safely(self.residency.learn)
            self.sampler.take(facts, self.residency.activity)
            await self._safely(self.sampler.write)
            self.changed.set()  # memory has been measured again
            await asyncio.sleep(every_s)

    async def sweep(self, every_s: float) -> None:
        """Unload removed versions, looking for them every `every_s` seconds."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.residency.unload_removed()
            except SQLAlchemyError as error:
                _log.warning("registry_unreachable", reason=str(error).splitlines()[0])

    async def follow(self) -> None:
        """Write an engine's row as soon as it changes."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            await self._safely(self._write, self.residency.views())

    async def leave(self) -> None:
        """Release the device, unless another worker has taken it over."""
        await self._safely(self._remove)

    async def _safely(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            await asyncio.to_thread(work, *arguments)
        except SQLAlchemyError as error:
            _log.warning("registry_unreachable", reason=str(error).splitlines()[0])

    def _take_orders(self) -> None:
        self.telemetry.obey(self.orders.of(self.device_id))

    def _remove(self) -> None:
        holder = self.fleet.worker(self.device_id)
        if holder is not None and holder.url == self.url:
            self.fleet.remove_worker(self.device_id)

    def _sign(self, device: DeviceReport) -> None:
        holder = self.fleet.worker(self.device_id)
        if holder is not None and holder.url != self.url:
            raise DeviceTaken(f"{self.device_id} was taken over by process {holder.pid}.")
        if not self.fleet.heartbeat(self.device_id, device):
            self.fleet.register_worker(self.device_id, self.url, self.pid, device)
            self._written.clear()

    def _write(self, views: list[EngineView]) -> None:
        for version_id in self._written.keys() - {view.version_id for view in views}:
            self.fleet.remove_engine(self.device_id, version_id)
            self._written.pop(version_id, None)
        for view in views:
            if self._written.get(view.version_id) != view:
                self.fleet.put_engine(view)
                self._written[view.version_id] = view


def _how_to_share(device: Device) -> str:
    """Processors of several machines have the same id until each machine has a name."""
    if device.is_gpu:
        return "End that one first, or give this one another --device."
    return (
        "End that one first; on another machine that shares the database set MODELYARD_NODE to a "
        "name of its own, which its processor's id then begins with."
    )


def _report(facts: DeviceFacts, residency: Residency) -> DeviceReport:
    """The device's facts, with its engines' load at their last refresh and their speeds."""
    activity = residency.activity
    measured = {one.name: getattr(facts, one.name) for one in fields(DeviceFacts)}
    if facts.status is DeviceStatus.AVAILABLE and not activity.is_idle:
        measured["status"] = DeviceStatus.BUSY
    return DeviceReport(
        **measured,
        active_requests=activity.active,
        queued_requests=activity.queued,
        slots=activity.slots,
        engine_slots=residency.engine_slots,
        paces=residency.paces,
    )
