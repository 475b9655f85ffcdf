"""GET /api/v1/metrics: requests, devices and users of the last minutes, as JSON."""

from datetime import datetime

from pydantic import BaseModel


class GpuUtilization(BaseModel):
    """A device now: ratios 0..1 and Celsius, null where the device does not report it."""

    memory_utilization: float | None
    compute_utilization: float | None
    temperature: float | None
    active_requests: int
    queued_requests: int


class UserMetrics(BaseModel):
    """A user's requests; `gpu_usage` is on how many devices the user has work now."""

    total_requests: int
    active_requests: int
    completed_requests: int
    failed_requests: int
    average_response_time: float | None
    gpu_usage: int


class MetricsReply(BaseModel):
    """Requests that ended in the last `minutes`, and what runs now; times in ms.

    The three times are null where no request has ended. Whoever is no admin is told of its own
    requests alone; devices are everybody's.
    """

    timestamp: datetime
    minutes: int
    total_requests: int
    active_requests: int
    completed_requests: int
    failed_requests: int
    average_response_time: float | None
    p95_response_time: float | None
    p99_response_time: float | None
    gpu_utilization: dict[str, GpuUtilization]
    user_metrics: dict[str, UserMetrics]
