"""POST /api/v1/route/batch: many pieces of work that are taken or refused together."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

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
