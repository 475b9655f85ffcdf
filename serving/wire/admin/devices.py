"""GET /api/v1/gpus: devices as last measured; null if a device does not report a value."""

from datetime import datetime

from pydantic import BaseModel, Field


class DeviceBase(BaseModel):
    """Memory in bytes, ratios 0..1, Celsius, Watts, seconds; `reason` says why status is error.

    `alias` is what its machine calls it, such as gpu-0; empty where that is its id.
    """

    gpu_id: str
    alias: str = ""
    name: str
    status: str
    reason: str
    compute_capability: str | None
    memory_total: int | None
    memory_used: int | None
    memory_free: int | None
    utilization: float | None
    temperature: float | None
    power_usage: float | None
    power_limit: float | None
    queued_requests: int
    performance_index: float
    performance_samples: int
    error_rate: float | None
    uptime: float | None


class DeviceSummary(DeviceBase):
    """A device in the list.

    `active_requests` is as many as the device itself lists to an admin, and the live ones of other
    gateways, which only those can list.
    """

    active_requests: int


class DeviceProcessReply(BaseModel):
    """A process that holds memory of the device."""

    pid: int
    name: str | None
    memory_used: int | None


class ActiveRequest(BaseModel):
    """A request at work on the device; `progress` 0..1, null where it is not known."""

    request_id: str
    user_id: str
    model_id: str
    start_time: datetime
    progress: float | None


class EccCountsReply(BaseModel):
    """Memory errors since the device's last reset, and over its life."""

    corrected: int | None
    uncorrected: int | None
    corrected_ever: int | None
    uncorrected_ever: int | None


class XidEventReply(BaseModel):
    """What the driver said went wrong; after a `fatal` one the device is not trusted."""

    code: int
    at: datetime
    meaning: str
    fatal: bool


class DeviceDetail(DeviceBase):
    """One device, with what runs on it and what is wrong with it."""

    active_requests: list[ActiveRequest]
    processes: list[DeviceProcessReply]
    throttle_reasons: list[str] | None = None
    ecc: EccCountsReply | None = None
    xid_events: list[XidEventReply] = []


class Maintenance(BaseModel):
    """An admin takes a device out of work, or gives it back."""

    on: bool
    reason: str = Field(default="", max_length=500)


class DeviceOrderReply(BaseModel):
    """What stands ordered for a device; its worker obeys within a heartbeat."""

    gpu_id: str
    maintenance: bool
    reason: str
    cleared_at: datetime | None


class DevicePoint(BaseModel):
    """Means over a step that begins at `time`; null is what the device does not tell."""

    time: datetime
    utilization: float | None
    memory_used: int | None
    temperature: float | None
    power_usage: float | None
    throttle_reasons: list[str]
    active_requests: float
    queued_requests: float
    tokens_per_second: float


class DeviceHistoryReply(BaseModel):
    """A device over time, oldest first; `step` in seconds, gaps are where nothing was measured."""

    gpu_id: str
    step: int
    points: list[DevicePoint]


class DeviceList(BaseModel):
    """Every device whose worker gave a sign of life within a day."""

    gpus: list[DeviceSummary]
