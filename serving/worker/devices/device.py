"""What the platform knows of one device, and the one way to ask it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class DeviceStatus(StrEnum):
    """Whether a device takes work."""

    AVAILABLE = "available"
    BUSY = "busy"
    ERROR = "error"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class DeviceProcess:
    """A process that holds memory of the device, in bytes."""

    pid: int
    name: str | None
    memory_used: int | None


@dataclass(frozen=True, slots=True)
class EccCounts:
    """Memory errors since the device's last reset and over its life; None is not told."""

    corrected: int | None
    uncorrected: int | None
    corrected_ever: int | None
    uncorrected_ever: int | None


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
    uptime: float
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

    def as_json(self) -> dict[str, Any]:
        events = [asdict(e) | {"at": e.at.isoformat()} for e in self.xid_events]
        return asdict(self) | {"xid_events": events}

    def memory_of(self, pid: int) -> int | None:
        """Bytes that a process holds on the device, where the device tells."""
        return next((p.memory_used for p in self.processes if p.pid == pid), None)


class Device(Protocol):
    """Something that models run on."""

    @property
    def device_id(self) -> str:
        """The same for the same device after every restart."""
        ...

    @property
    def is_gpu(self) -> bool: ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What an engine's environment needs to see this device and no other."""
        ...

    def facts(self) -> DeviceFacts:
        """Measure; may block, never raises: a device that fails has status `error`."""
        ...
