"""Measurements of a device, and whether it accepts work."""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_SUFFERING = frozenset({"thermal", "hardware_thermal", "hardware_slowdown", "power_brake"})
"""Throttle reasons that indicate hardware trouble; power capping is normal for a GPU."""


class DeviceStatus(StrEnum):
    """The state of a device; a device in error or maintenance accepts no work."""

    AVAILABLE = "available"
    BUSY = "busy"
    ERROR = "error"
    MAINTENANCE = "maintenance"

    @property
    def takes_work(self) -> bool:
        return self not in {DeviceStatus.ERROR, DeviceStatus.MAINTENANCE}


@dataclass(frozen=True, slots=True)
class DeviceProcess:
    """A process with memory on the device; `memory_used` in bytes."""

    pid: int
    name: str | None
    memory_used: int | None


@dataclass(frozen=True, slots=True)
class EccCounts:
    """Memory errors since the device's last reset and over its life; None if not reported."""

    corrected: int | None = None
    uncorrected: int | None = None
    corrected_ever: int | None = None
    uncorrected_ever: int | None = None


@dataclass(frozen=True, slots=True)
class XidEvent:
    """A fault reported by the driver; after a `fatal` one the device is not trusted."""

    code: int
    at: datetime
    meaning: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One measurement of a device; None means that the device does not report the value.

    Memory in bytes, utilization 0..1, temperature in Celsius, power in Watts; `uptime` in seconds
    since the worker took the device. `reason` says why the device accepts no work. `alias` is what
    its machine calls it, such as gpu-0; empty if that is its id.
    """

    gpu_id: str
    name: str
    status: DeviceStatus
    uptime: float | None
    reason: str = ""
    alias: str = ""
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
        """The kind shared by equal devices: a GPU's model name; every CPU is of kind `cpu`."""
        return "cpu" if self.compute_capability is None else self.name

    @property
    def takes_work(self) -> bool:
        return self.status.takes_work

    @property
    def is_throttled(self) -> bool:
        """Whether the device throttles because of hardware trouble."""
        return not _SUFFERING.isdisjoint(self.throttle_reasons or ())

    @property
    def ecc_errors(self) -> int:
        """Uncorrected memory errors since the device's last reset; 0 if not reported."""
        return (self.ecc.uncorrected or 0) if self.ecc else 0

    def as_json(self) -> dict[str, Any]:
        events = [asdict(event) | {"at": event.at.isoformat()} for event in self.xid_events]
        return asdict(self) | {"xid_events": events}

    def memory_of(self, pid: int) -> int | None:
        """Bytes of device memory that a process uses; None if not reported."""
        return next((p.memory_used for p in self.processes if p.pid == pid), None)
