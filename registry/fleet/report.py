"""The device report that a worker sends with each heartbeat, as the fleet table stores it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus

Speeds = Mapping[str, tuple[int, float]]
"""A version's speed, keyed by tokens per step: number of steps so far and tokens per second."""


@dataclass(frozen=True, slots=True)
class DeviceReport(DeviceFacts):
    """A device's measurements, its load and its speed; units as in `DeviceFacts`.

    `active_requests` are running and `queued_requests` wait in the engines. `slots` is the number
    of requests that all engines together process at a time, 0 if no engine reports it.
    `engine_slots` and `paces` are keyed by version id; an engine with 0 slots accepts any number of
    requests.
    """

    gpu_id: str = ""
    name: str = ""
    status: DeviceStatus = DeviceStatus.AVAILABLE
    uptime: float | None = None
    active_requests: int = 0
    queued_requests: int = 0
    slots: int = 0
    engine_slots: Mapping[str, int] = field(default_factory=dict[str, int])
    paces: Mapping[str, Speeds] = field(default_factory=dict[str, Speeds])

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "DeviceReport":
        """Read a row, including one written by an older or newer version of Modelyard.

        Unknown keys are ignored and missing keys get their defaults. If a value cannot be read, the
        device is in error, accepts no work and states the reason.
        """
        try:
            return msgspec.convert(told, cls)
        except msgspec.ValidationError as error:
            reason = f"its worker's report cannot be read: {error}"
            return cls(status=DeviceStatus.ERROR, reason=reason)

    @property
    def requests(self) -> int:
        """Running plus queued requests."""
        return self.active_requests + self.queued_requests

    def silent(self, for_s: float) -> "DeviceReport":
        """The report of a device whose worker has not sent a heartbeat for `for_s` seconds."""
        return self.without_worker(f"its worker has given no sign of life for {for_s:.0f} s")

    def without_worker(self, reason: str) -> "DeviceReport":
        """The report of a device whose worker does not count, for this reason."""
        return replace(
            self,
            status=DeviceStatus.ERROR,
            reason=reason,
            utilization=None,
            temperature=None,
            power_usage=None,
            uptime=None,
            active_requests=0,
            queued_requests=0,
            processes=(),
        )
