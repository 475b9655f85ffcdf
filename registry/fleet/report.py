"""What a worker reports of its device with each heartbeat, as the fleet's table keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus

Speeds = Mapping[str, tuple[int, float]]
"""How fast one version goes: steps so far and tokens a second, by the tokens of a step."""


@dataclass(frozen=True, slots=True)
class DeviceReport(DeviceFacts):
    """A device's measures, what it has to do and how fast it goes; units as in `DeviceFacts`.

    `active_requests` are at work and `queued_requests` wait in the engines. `slots` are the
    requests that all engines together work on at a time, 0 where no engine says. `engine_slots`
    and `paces` are by version id; an engine with 0 slots takes any number.
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
        """Read a row, also of an older or newer version of Modelyard.

        Unknown keys are ignored and missing ones have their defaults. A device whose report has a
        value that cannot be read takes no work, and says why.
        """
        try:
            return msgspec.convert(told, cls)
        except msgspec.ValidationError as error:
            reason = f"its worker's report cannot be read: {error}"
            return cls(status=DeviceStatus.ERROR, reason=reason)

    @property
    def requests(self) -> int:
        """At work and waiting."""
        return self.active_requests + self.queued_requests

    def silent(self, for_s: float) -> "DeviceReport":
        """What is still known of a device whose worker has not reported for so many seconds."""
        return replace(
            self,
            status=DeviceStatus.ERROR,
            reason=f"its worker has given no sign of life for {for_s:.0f} s",
            utilization=None,
            temperature=None,
            power_usage=None,
            uptime=None,
            queued_requests=0,
            processes=(),
        )
