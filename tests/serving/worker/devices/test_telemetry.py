"""A device that hangs is waited for briefly, then known by its last facts, then failed."""

import asyncio
import threading
import time
from dataclasses import dataclass, field

from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus
from modelyard.serving.worker.devices.telemetry import Telemetry
from tests.serving.worker.residency_harness import PaperDevice


@dataclass(slots=True)
class HangingDevice(PaperDevice):
    """Answers only while the gate is open."""

    gate: threading.Event = field(default_factory=threading.Event)

    def facts(self) -> DeviceFacts:
        self.gate.wait()
        return PaperDevice.facts(self)


async def test_a_hanging_driver_never_stops_the_worker() -> None:
    """Sampling returns in time; the facts go stale, become an error, and recover."""
    device = HangingDevice()
    device.gate.set()
    watched = await Telemetry.open(device, answer_s=0.05, stale_s=600.0)
    device.gate.clear()
    begun = time.monotonic()
    assert (await watched.sample()).status is DeviceStatus.AVAILABLE
    assert time.monotonic() - begun < 60
    watched.stale_s = 0.01
    stale = await watched.sample()
    assert (stale.status, "no answer" in stale.reason) == (DeviceStatus.ERROR, True)
    device.gate.set()
    watched.answer_s = 60.0
    assert (await watched.sample()).status is DeviceStatus.AVAILABLE


async def test_two_who_ask_at_once_share_one_measurement() -> None:
    """The heartbeat and a load may sample together; both get the facts."""
    device = HangingDevice()
    device.gate.set()
    watched = await Telemetry.open(device, answer_s=60.0)
    device.gate.clear()
    both = asyncio.gather(watched.sample(), watched.sample())
    await asyncio.sleep(0.01)
    device.gate.set()
    assert [facts.status for facts in await both] == [DeviceStatus.AVAILABLE] * 2
