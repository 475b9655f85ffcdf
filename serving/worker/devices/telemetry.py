"""Measures a device without ever waiting on it: a driver that hangs must not stop the worker."""

import asyncio
import time
from dataclasses import dataclass, replace

from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus
from modelyard.registry.fleet.device_orders import DeviceOrder
from modelyard.serving.worker.devices.device import Device
from modelyard.serving.worker.devices.health import judged

ANSWER_S = 1.0
"""NVML takes milliseconds."""

STALE_S = 10.0


@dataclass(slots=True)
class Telemetry:
    """The last known facts of one device, judged by what an admin has ordered.

    A measurement is waited for `answer_s` seconds; a device that has not answered for `stale_s`
    counts as failed.
    """

    device: Device
    facts: DeviceFacts
    _taken: float
    order: DeviceOrder
    answer_s: float = ANSWER_S
    stale_s: float = STALE_S
    _pending: asyncio.Future[DeviceFacts] | None = None

    @classmethod
    async def open(
        cls, device: Device, *, answer_s: float = ANSWER_S, stale_s: float = STALE_S
    ) -> "Telemetry":
        order = DeviceOrder(device.device_id)
        facts = judged(await asyncio.to_thread(device.facts), order)
        return cls(device, facts, time.monotonic(), order, answer_s, stale_s)

    def obey(self, order: DeviceOrder) -> None:
        """From the next measurement on."""
        self.order = order

    async def sample(self) -> DeviceFacts:
        """Measure now; without an answer in time the last facts stand, until they are stale."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.ensure_future(asyncio.to_thread(self.device.facts))
        measuring = self._pending  # others may wait for the same one
        answered, _ = await asyncio.wait({measuring}, timeout=self.answer_s)
        if answered:
            self.facts = judged(measuring.result(), self.order)
            self._taken = time.monotonic()
        else:
            self._judge(time.monotonic() - self._taken)
        return self.facts

    def _judge(self, silent_s: float) -> None:
        if silent_s > self.stale_s:
            reason = f"no answer from the device for {silent_s:.0f} s"
            silent = replace(self.facts, status=DeviceStatus.ERROR, reason=reason)
            self.facts = judged(silent, self.order)
