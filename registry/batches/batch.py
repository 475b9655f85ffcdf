"""A batch: many jobs that are handed in, shown and cancelled together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from modelyard.registry.errors import ErrorKind, ModelyardError


class BatchStatus(StrEnum):
    """Where a batch is, as in OpenAI's API."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        return self in BATCH_ENDS


BATCH_ENDS = frozenset(
    {BatchStatus.FAILED, BatchStatus.COMPLETED, BatchStatus.EXPIRED, BatchStatus.CANCELLED}
)


@dataclass(frozen=True, slots=True)
class LineError:
    """What is wrong with a batch's file, or with one line of it, counted from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs a batch has, and how many of them have ended how; `live` are yet to end."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def live(self) -> int:
        return self.total - self.completed - self.failed - self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBatch:
    """A stored batch with what its jobs have come to.

    Without an `input_file_id` it came by our own API. `fence` grows with each process that works
    on the batch itself: checks its file, or writes those of its answers. `error_codes` counts its
    failed jobs by why they failed.
    """

    id: str
    user_id: str
    asked_by: str
    status: BatchStatus
    endpoint: str
    model: str
    digest: str
    completion_window: str
    input_file_id: str | None
    output_file_id: str | None
    error_file_id: str | None
    errors: Sequence[LineError]
    metadata: Mapping[str, str] | None
    callback_url: str | None
    fence: int
    created_at: datetime
    expires_at: datetime
    in_progress_at: datetime | None
    finalizing_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    expired_at: datetime | None
    cancelling_at: datetime | None
    cancelled_at: datetime | None
    counts: JobCounts
    error_codes: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def ended_at(self) -> datetime | None:
        return self.completed_at or self.failed_at or self.expired_at or self.cancelled_at


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A batch to write down: one of a file is checked later, one of our own API was checked.

    `about` has what is only shown again: OpenAI's `metadata`.
    """

    id: str
    user_id: str
    asked_by: str
    created_at: datetime
    expires_at: datetime
    endpoint: str = ""
    model: str = ""
    digest: str = ""
    completion_window: str = ""
    input_file_id: str | None = None
    callback_url: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])


class UnknownBatch(ModelyardError):
    """The user has no batch of that id."""

    code = "batch_not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


class BatchEnded(ModelyardError):
    """The batch is past the point at which it could be cancelled."""

    code = "batch_ended"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class BatchIdTaken(ModelyardError):
    """A batch of the same id was handed in before, with something else in it."""

    code = "batch_id_taken"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class TooManyBatches(ModelyardError):
    """The user has as many batches on their way as a user may."""

    code = "too_many_batches"
    kind = ErrorKind.RATE_LIMITED


def unknown_batch(batch_id: str) -> UnknownBatch:
    return UnknownBatch(
        f"There is no batch '{batch_id[:100]}'.", fix="GET /v1/batches lists those that you have."
    )
