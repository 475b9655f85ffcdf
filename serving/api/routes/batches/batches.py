"""/v1/batches: the requests of an uploaded file, answered within a day beside live traffic."""

import asyncio
import uuid
from datetime import timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from modelyard.registry.batches.batch import NewBatch, unknown_batch
from modelyard.registry.database import utc_now
from modelyard.registry.jobs.wake_up import JobSignal
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.openai.batches import BatchList, BatchObject, BatchRequest

router = APIRouter(prefix="/v1", tags=["openai"])

WINDOW = timedelta(hours=24)


@router.post("/batches")
async def create_batch(asked: BatchRequest, services: TheServices, caller: TheCaller) -> Response:
    """Begin a batch: its file is checked next, and then all of its requests are queued."""
    now = utc_now()
    new = NewBatch(
        id=f"batch_{uuid.uuid4().hex}",
        user_id=caller.user_id,
        asked_by=caller.user_id,
        created_at=now,
        expires_at=now + WINDOW,
        endpoint=asked.endpoint,
        completion_window=asked.completion_window,
        input_file_id=asked.input_file_id,
        about={"metadata": asked.metadata} if asked.metadata is not None else {},
    )
    return _json(BatchObject.of(await asyncio.to_thread(services.batches.batches.create, new)))


@router.get("/batches")
async def list_batches(
    services: TheServices,
    caller: TheCaller,
    after: Annotated[str | None, Query(max_length=50)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """The caller's batches, newest first."""
    book = services.batches.book
    found = await asyncio.to_thread(book.list, caller.user_id, after, limit + 1)
    return _json(BatchList.of(found, limit))


@router.get("/batches/{batch_id}")
async def show_batch(batch_id: str, services: TheServices, caller: TheCaller) -> Response:
    """One batch; its counts are those of this moment."""
    batch = await asyncio.to_thread(services.batches.book.get, batch_id, caller.user_id)
    if batch.input_file_id is None:
        raise unknown_batch(batch_id)
    return _json(BatchObject.of(batch))


@router.post("/batches/{batch_id}/cancel")
async def cancel_batch(batch_id: str, services: TheServices, caller: TheCaller) -> Response:
    """End a batch before its time; what was done of it can be read."""
    cancel = services.batches.batches.cancel
    batch = await asyncio.to_thread(cancel, batch_id, caller.user_id)
    services.jobs.heard(JobSignal.CANCELLED)
    return _json(BatchObject.of(batch))


def _json(value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
