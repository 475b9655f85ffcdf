"""What was measured of a device, and whether it takes work."""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_SUFFERING = frozenset({"thermal", "hardware_thermal", "hardware_slowdown", "power_brake"})
"""Throttle reasons that say the hardware suffers; a power cap is a card's everyday."""


class DeviceStatus(StrEnum):
    """What a device is doing; in error or maintenance it gets no work."""

    AVAILABLE = "available"
    BUSY = "busy"
    ERROR = "error"
    MAINTENANCE = "maintenance"

    @property
    def takes_work(self) -> bool:
        return self not in {DeviceStatus.ERROR, DeviceStatus.MAINTENANCE}


@dataclass(frozen=True, slots=True)
class DeviceProcess:
    """A process that holds memory of the device, in bytes."""

    pid: int
    name: str | None
    memory_used: int | None


@dataclass(frozen=True, slots=True)
class EccCounts:
    """Memory errors since the device's last reset and over its life; None is not told."""

    corrected: int | None = None
    uncorrected: int | None = None
    corrected_ever: int | None = None
    uncorrected_ever: int | None = None


@dataclass(frozen=True, slots=True)
class XidEvent:
    """Something that the driver said went wrong; after a `fatal` one the device is not trusted."""

    code: int
    at: datetime
    meaning: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One measurement of a device; None is what the device does not tell.

    Memory in bytes, utilization 0..1, temperature in Celsius, power in Watts; `uptime` in seconds
    since the worker has had the device. `reason` says why it takes no work.
    """

    gpu_id: str
    name: str
    status: DeviceStatus
    uptime: float | None
    reason: str = ""
    compute_capability: str | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    memory_free: int | None = None
    utilization: float | None = None
    temperature: float | None = None
    power_usage: float | None = None
    power_limit: float | None = None
    throttle_reasons: tuple[str, ...] | None = None
    ecc: EccCounts | None = None
    xid_events: tuple[XidEvent, ...] = ()
    processes: tuple[DeviceProcess, ...] = ()

    @property
    def kind(self) -> str:
        """What alike devices have in common: the model of a card; all processors are one kind."""
        return "cpu" if self.compute_capability is None else self.name

    @property
    def takes_work(self) -> bool:
        return self.status.takes_work

    @property
    def is_throttled(self) -> bool:
        """Whether the device slows itself down because its hardware suffers."""
        return not _SUFFERING.isdisjoint(self.throttle_reasons or ())

    @property
    def ecc_errors(self) -> int:
        """Uncorrected memory errors since the device's last reset; 0 where it does not tell."""
        return (self.ecc.uncorrected or 0) if self.ecc else 0

    def as_json(self) -> dict[str, Any]:
        events = [asdict(event) | {"at": event.at.isoformat()} for event in self.xid_events]
        return asdict(self) | {"xid_events": events}

    def memory_of(self, pid: int) -> int | None:
        """Bytes that a process holds on the device, where the device tells."""
        return next((p.memory_used for p in self.processes if p.pid == pid), None)
