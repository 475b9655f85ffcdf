"""/api/v1/route and /api/v1/requests: work that is handed in, and what is told of it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from modelyard.registry.billing.quota import HIGHEST_PRIORITY
from modelyard.registry.jobs.job import Job, JobStatus, JobType

LONGEST_MS = 7 * 24 * 3_600_000
"""The longest timeout and expected duration: a week."""
DEFAULT_PRIORITY = 3
DEFAULT_TIMEOUT_MS = 30_000
MOST_LISTED = 100

ShownStatus = Literal["pending", "queued", "processing", "completed", "failed", "cancelled"]
"""A job's status as the API says it: what waits is `pending` until it was tried once."""

Duration = Annotated[int, Field(strict=True, ge=1, le=LONGEST_MS)]


class ResourceRequirements(BaseModel):
    """What the work needs; what is left out is estimated from the model and measured speeds.

    `memory` in MB and `expected_duration` in ms. `max_batch_size` is the most inputs that the
    payload may hold. `compute_units` is kept with the request and decides nothing: no device tells
    how many it has free.
    """

    model_config = ConfigDict(extra="forbid")

    memory: Annotated[int, Field(strict=True, ge=1, le=100_000_000)] | None = None
    compute_units: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    max_batch_size: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    expected_duration: Duration | None = None


class RequestedWork(BaseModel):
    """One piece of work: the part of a submission that a line of a batch has too.

    `request_id` is the caller's idempotency key. `model_id` is a model, model@alias or
    model@version. Of priorities 5 is the most urgent.
    """

    model_config = ConfigDict(extra="forbid")

    request_id: UUID | None = None
    model_id: Annotated[str, Field(min_length=1, max_length=200)]
    priority: Annotated[int, Field(strict=True, ge=1, le=HIGHEST_PRIORITY)] = DEFAULT_PRIORITY
    type: JobType
    resource_requirements: ResourceRequirements | None = None
    payload: dict[str, Any] = Field(
        description="The body that the type's route under /v1 takes, without `model` and `stream`; "
        "of training and fine-tuning the deployment's parameters."
    )


class Submission(RequestedWork):
    """Work that outlives its connection; `timeout` in ms counts from its submission."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "request_id": "6f1c1f8e-6d0f-4d3a-9a53-0a8f6f1f8a11",
                    "user_id": "0b7a1c52-7b2f-4c9e-8d1e-2f6a9c3b5d10",
                    "model_id": "owner/name",
                    "priority": 3,
                    "type": "inference",
                    "timeout": 60000,
                    "callback_url": "https://example.com/done",
                    "payload": {
                        "messages": [{"role": "user", "content": "Hello"}],
                        "max_tokens": 64,
                    },
                }
            ]
        },
    )

    user_id: Annotated[str, Field(min_length=1, max_length=36)]
    timeout: Duration = DEFAULT_TIMEOUT_MS
    callback_url: Annotated[str, Field(min_length=1, max_length=2048)] | None = None


class RequestReply(BaseModel):
    """What became of a submission; the times are estimates, or what happened where it has.

    `queue_position` is 1 for what begins next and 0 for what does not wait.
    """

    request_id: str
    status: ShownStatus
    gpu_id: str | None
    estimated_start_time: datetime | None
    estimated_completion_time: datetime | None
    queue_position: int


class RequestFailure(BaseModel):
    """Why a request failed; `code` is stable, such as `timeout`."""

    code: str
    message: str


class RequestSummary(BaseModel):
    """A request in the list; `progress` 0..1, `timeout` in ms, `attempts` is how often it began."""

    request_id: str
    user_id: str
    model_id: str
    type: JobType
    priority: int
    status: ShownStatus
    gpu_id: str | None
    submission_time: datetime
    start_time: datetime | None
    completion_time: datetime | None
    progress: float
    timeout: int
    attempts: int
    batch_id: str | None
    callback_url: str | None
    resource_requirements: dict[str, Any]
    error: RequestFailure | None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls.model_validate(told(job))


class RequestDetail(RequestSummary):
    """One request; `result` is the engine's whole answer, or what a deployment's run gave back."""

    queue_position: int
    estimated_start_time: datetime | None
    estimated_completion_time: datetime | None
    result: Any = None


class RequestPage(BaseModel):
    """Requests, the latest first; `next_cursor` gets what comes after them, null at the end."""

    requests: list[RequestSummary]
    next_cursor: str | None


class CancelledRequest(BaseModel):
    """A request that was cancelled."""

    request_id: str
    status: Literal["cancelled"] = "cancelled"
    message: str


class QueueLine(BaseModel):
    """What waits and runs of one model at one priority; `oldest` is since when the first waits."""

    model_id: str
    priority: int
    waiting: int
    processing: int
    oldest: datetime | None


class QueueOverview(BaseModel):
    """The queue by model and priority; who is no admin sees its own requests in it."""

    queue: list[QueueLine]


def shown_status(job: Job) -> ShownStatus:
    if job.status is JobStatus.QUEUED:
        return "queued" if job.attempts else "pending"
    return job.status.value


def told(job: Job) -> dict[str, Any]:
    """The fields of a summary."""
    code = job.error_code
    return {
        "request_id": job.id,
        "user_id": job.user_id,
        "model_id": job.model,
        "type": job.type,
        "priority": job.priority,
        "status": shown_status(job),
        "gpu_id": job.device_id,
        "submission_time": job.submitted_at,
        "start_time": job.started_at,
        "completion_time": job.ended_at,
        "progress": job.progress,
        "timeout": round((job.deadline - job.submitted_at).total_seconds() * 1000),
        "attempts": job.attempts,
        "batch_id": job.batch_id,
        "callback_url": job.callback_url,
        "resource_requirements": dict(job.resources),
        "error": {"code": code, "message": job.error or ""} if code else None,
    }
