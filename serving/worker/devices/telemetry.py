"""Measures a device with a timeout, so that a hanging driver cannot block the worker."""

import asyncio
import time
from dataclasses import dataclass, replace

from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus
from modelyard.registry.fleet.device_orders import DeviceOrder
from modelyard.serving.worker.devices.device import Device
from modelyard.serving.worker.devices.health import judged

ANSWER_S = 1.0
"""Seconds; NVML normally answers in milliseconds."""

STALE_S = 10.0


@dataclass(slots=True)
class Telemetry:
    """The last known facts of one device, combined with the admin's order.

    `sample` waits up to `answer_s` seconds; a device silent for more than `stale_s` seconds has
    failed.
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
        """Apply this order from the next measurement on."""
        self.order = order

    async def sample(self) -> DeviceFacts:
        """Measure now; on timeout keep the last facts until they are stale."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.ensure_future(asyncio.to_thread(self.device.facts))
        measuring = self._pending  # several callers may wait for the same measurement
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
