"""/v1/batches: batches, and the lines of their files, as OpenAI's clients read them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

if TYPE_CHECKING:
    from modelyard.registry.batches.batch import JobBatch

WINDOW = "24h"
MOST_LINES = 50_000

BatchEndpoint = Literal[
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank", "/v1/classify"
]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
_Value = Annotated[str, StringConstraints(max_length=512, pattern=r"^[^\x00]*$")]


class BatchRequest(BaseModel):
    """A batch of the lines of an uploaded file, each a request to the same `endpoint`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "input_file_id": "file-0123456789abcdef0123456789abcdef",
                    "endpoint": "/v1/chat/completions",
                    "completion_window": "24h",
                }
            ]
        },
    )

    input_file_id: Annotated[str, Field(min_length=1, max_length=50)]
    endpoint: BatchEndpoint
    completion_window: Literal["24h"]
    metadata: Annotated[dict[_Key, _Value], Field(max_length=16)] | None = None


class LineCounts(msgspec.Struct, frozen=True):
    """How many requests a batch has, and how many of them have ended how."""

    total: int
    completed: int
    failed: int


class BatchLineError(msgspec.Struct, frozen=True):
    """What is wrong with a batch's file, or with one of its lines, counted from 1."""

    code: str
    message: str
    line: int | None
    param: str | None


class BatchErrors(msgspec.Struct, frozen=True):
    """Why a batch has failed, or why so many of its requests have."""

    data: list[BatchLineError]
    object: Literal["list"] = "list"


class BatchObject(msgspec.Struct, frozen=True):
    """A batch; times are in seconds since 1970. Its files are named once there is a line in them.

    `errors` are those of its file. Where all of its requests failed, they say of what.
    """

    id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    status: str
    created_at: int
    errors: BatchErrors | None
    model: str | None
    output_file_id: str | None
    error_file_id: str | None
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: LineCounts
    metadata: dict[str, str] | None
    object: Literal["batch"] = "batch"

    @classmethod
    def of(cls, batch: "JobBatch") -> Self:
        counts = batch.counts
        return cls(
            id=batch.id,
            endpoint=batch.endpoint,
            input_file_id=batch.input_file_id or "",
            completion_window=batch.completion_window,
            status=batch.status.value,
            created_at=int(batch.created_at.timestamp()),
            errors=_errors(batch),
            model=batch.model or None,
            output_file_id=batch.output_file_id if counts.completed else None,
            error_file_id=batch.error_file_id if counts.failed or counts.cancelled else None,
            in_progress_at=_seconds(batch.in_progress_at),
            expires_at=_seconds(batch.expires_at),
            finalizing_at=_seconds(batch.finalizing_at),
            completed_at=_seconds(batch.completed_at),
            failed_at=_seconds(batch.failed_at),
            expired_at=_seconds(batch.expired_at),
            cancelling_at=_seconds(batch.cancelling_at),
            cancelled_at=_seconds(batch.cancelled_at),
            request_counts=LineCounts(counts.total, counts.completed, counts.failed),
            metadata=dict(batch.metadata) if batch.metadata is not None else None,
        )


class BatchList(msgspec.Struct, frozen=True):
    """A page of batches, newest first; the next one begins `after` the last id."""

    data: list[BatchObject]
    has_more: bool
    first_id: str | None
    last_id: str | None
    object: Literal["list"] = "list"

    @classmethod
    def of(cls, batches: "list[JobBatch]", most: int) -> Self:
        """A page of `most` batches, of which one more was asked for."""
        page = [BatchObject.of(batch) for batch in batches[:most]]
        first = page[0].id if page else None
        last = page[-1].id if page else None
        return cls(page, len(batches) > most, first, last)


class LineResponse(msgspec.Struct, frozen=True):
    """An engine's answer to one line."""

    status_code: int
    request_id: str
    body: msgspec.Raw


class LineFailure(msgspec.Struct, frozen=True):
    """Why a line has no answer."""

    code: str
    message: str


class AnswerLine(msgspec.Struct, frozen=True):
    """One line of the file of answers, or of that of errors."""

    id: str
    custom_id: str
    response: LineResponse | None
    error: LineFailure | None


class BatchLine(msgspec.Struct, frozen=True):
    """One line of an uploaded file; `body` is sent to `url` as it is."""

    custom_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    method: Literal["POST"]
    url: str
    body: msgspec.Raw


def _seconds(time: datetime | None) -> int | None:
    return int(time.timestamp()) if time else None


def _errors(batch: "JobBatch") -> BatchErrors | None:
    told = [BatchLineError(e.code, e.message, e.line, e.param) for e in batch.errors]
    if not told and batch.status.is_end and batch.counts.failed == batch.counts.total:
        told = [
            BatchLineError(
                code, f"{number} of {batch.counts.total} requests failed so.", None, None
            )
            for code, number in sorted(batch.error_codes.items())
        ]
    return BatchErrors(told) if told else None
