"""POST /api/v1/route/batch: hand in many requests at once, all or none."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request

from modelyard.registry.batches.batch import BatchStatus, JobBatch
from modelyard.serving.api.documents import body_of
from modelyard.serving.api.long_bodies import read_as
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.batches.submitting import TakenBatch
from modelyard.serving.wire.admin.batches import BatchReply, BatchSubmission, ShownBatchStatus

router = APIRouter(prefix="/api/v1", tags=["requests"])


async def batch_submission(request: Request) -> BatchSubmission:
    """The body of up to 1,000 requests."""
    return await read_as(BatchSubmission, request)


@router.post("/route/batch", openapi_extra=body_of(BatchSubmission))
async def submit_batch(
    services: TheServices,
    caller: TheCaller,
    asked: Annotated[BatchSubmission, Depends(batch_submission)],
) -> BatchReply:
    """Queue up to 1,000 requests; the same `batch_id` with the same fields is the same batch."""
    return _reply(await services.batch_intake.submit(asked, caller))


def _reply(taken: TakenBatch) -> BatchReply:
    starts = [outlook.start_at for outlook in taken.outlooks if outlook.start_at]
    ends = [outlook.end_at for outlook in taken.outlooks if outlook.end_at]
    return BatchReply(
        batch_id=taken.batch.id,
        status=_shown(taken.batch, is_begun=any(job.attempts for job in taken.jobs)),
        request_ids=[job.id for job in taken.jobs],
        estimated_start_time=min(starts, default=None),
        estimated_completion_time=max(ends, default=None),
    )


def _shown(batch: JobBatch, *, is_begun: bool) -> ShownBatchStatus:
    if batch.status is BatchStatus.CANCELLED:
        return "cancelled"
    if batch.status.is_end:
        return "completed" if batch.counts.completed else "failed"
    return "processing" if is_begun or batch.counts.live < batch.counts.total else "pending"
