"""/api/v1/route/batch and /api/v1/batches: many pieces of work, and how far they are."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from modelyard.registry.batches.batch import BatchStatus, JobBatch
from modelyard.serving.wire.admin.requests import Duration, RequestedWork

MOST_REQUESTS = 1000
BATCH_TIMEOUT_MS = 60_000

ShownBatchStatus = Literal["pending", "processing", "completed", "failed", "cancelled"]


class BatchSubmission(BaseModel):
    """Work for one user; `timeout` in ms counts for each request from the batch's submission.

    `batch_id` is the caller's idempotency key. `callback_url` is called once, when all requests
    have ended.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "batch_id": "b81f9d0e-5b3c-4b71-8f1f-0f8f8b1f4c22",
                    "user_id": "0b7a1c52-7b2f-4c9e-8d1e-2f6a9c3b5d10",
                    "timeout": 60000,
                    "requests": [
                        {
                            "model_id": "owner/name",
                            "type": "inference",
                            "payload": {"messages": [{"role": "user", "content": "Hello"}]},
                        }
                    ],
                }
            ]
        },
    )

    batch_id: UUID | None = None
    user_id: Annotated[str, Field(min_length=1, max_length=36)]
    requests: Annotated[list[RequestedWork], Field(min_length=1, max_length=MOST_REQUESTS)]
    timeout: Duration = BATCH_TIMEOUT_MS
    callback_url: Annotated[str, Field(min_length=1, max_length=2048)] | None = None


class BatchReply(BaseModel):
    """What became of a batch; `request_ids` are in the order of its requests.

    The times are estimates of when the first begins and the last ends, or null where none can be
    made.
    """

    batch_id: str
    status: ShownBatchStatus
    request_ids: list[str]
    estimated_start_time: datetime | None
    estimated_completion_time: datetime | None


class BatchCounts(BaseModel):
    """How many requests a batch has, and how many of them have ended how."""

    total: int
    completed: int
    failed: int
    cancelled: int


class BatchSummary(BaseModel):
    """A batch in the list; one of `POST /api/v1/route/batch` has no `input_file_id`.

    `model_id` and `endpoint` are empty where its requests have several, or are not yet known.
    """

    batch_id: str
    user_id: str
    status: BatchStatus
    endpoint: str
    model_id: str
    input_file_id: str | None
    submission_time: datetime
    start_time: datetime | None
    completion_time: datetime | None
    counts: BatchCounts
    callback_url: str | None
    metadata: dict[str, str] | None

    @classmethod
    def of(cls, batch: JobBatch) -> Self:
        counts = batch.counts
        return cls(
            batch_id=batch.id,
            user_id=batch.user_id,
            status=batch.status,
            endpoint=batch.endpoint,
            model_id=batch.model,
            input_file_id=batch.input_file_id,
            submission_time=batch.created_at,
            start_time=batch.in_progress_at,
            completion_time=batch.ended_at,
            counts=BatchCounts(
                total=counts.total,
                completed=counts.completed,
                failed=counts.failed,
                cancelled=counts.cancelled,
            ),
            callback_url=batch.callback_url,
            metadata=dict(batch.metadata) if batch.metadata is not None else None,
        )


class BatchPage(BaseModel):
    """Batches, the latest first; `next_cursor` gets what comes after them, null at the end."""

    batches: list[BatchSummary]
    next_cursor: str | None
