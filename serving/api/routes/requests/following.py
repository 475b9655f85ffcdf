"""GET and DELETE /api/v1/requests/{request_id}, and the list of requests."""

from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.registry.jobs.book import JobFilter
from modelyard.registry.jobs.job import JobStatus
from modelyard.serving.api.admins import whose
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.jobs.telling import cancelled, request_detail
from modelyard.serving.wire.admin.requests import (
    MOST_LISTED,
    CancelledRequest,
    QueueLine,
    QueueOverview,
    RequestDetail,
    RequestPage,
    RequestSummary,
    ShownStatus,
)
from modelyard.serving.wire.times import Time

router = APIRouter(prefix="/api/v1/requests", tags=["requests"])

USER = "A user's id. Admins: whose requests, empty for everybody's. Others: their own, or empty."


@router.get("")
async def list_requests(  # noqa: PLR0913  one of each filter
    services: TheServices,
    caller: TheCaller,
    *,
    status: ShownStatus | None = None,
    model: Annotated[str, Query(max_length=200, description="As it was asked for.")] = "",
    user_id: Annotated[str, Query(max_length=36, description=USER)] = "",
    batch_id: Annotated[str, Query(max_length=50)] = "",
    since: Annotated[Time | None, Query(description="Submitted then or later.")] = None,
    until: Annotated[Time | None, Query(description="Submitted before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 20,
    cursor: Annotated[str, Query(max_length=200, description="`next_cursor` of a page.")] = "",
) -> RequestPage:
    """Requests, the latest first: one's own, and those handed in for others; admins see all."""
    wanted = JobFilter(
        user_id=whose(user_id, caller),
        seen_by=None if caller.is_admin else caller.user_id,
        is_tried={"pending": False, "queued": True}.get(status or ""),
        statuses=_statuses(status),
        model=model or None,
        batch_id=batch_id or None,
        since=since,
        until=until,
    )
    page = await services.requests.page(wanted, cursor, limit)
    return RequestPage(
        requests=[RequestSummary.of(job) for job in page.jobs], next_cursor=page.cursor or None
    )


@router.get("/queue")
async def show_queue(services: TheServices, caller: TheCaller) -> QueueOverview:
    """What waits and runs by model and priority: for admins everybody's, else one's own."""
    lines = await services.requests.open_jobs(None if caller.is_admin else caller.user_id)
    return QueueOverview(
        queue=[
            QueueLine(
                model_id=line.model,
                priority=line.priority,
                waiting=line.waiting,
                processing=line.processing,
                oldest=line.oldest_at,
            )
            for line in lines
        ]
    )


@router.get("/{request_id}")
async def show_request(request_id: str, services: TheServices, caller: TheCaller) -> RequestDetail:
    """Where a request is, what lies ahead of it, and its result once it has ended."""
    return request_detail(await services.requests.show(request_id, caller))


@router.delete("/{request_id}")
async def cancel_request(
    request_id: str, services: TheServices, caller: TheCaller
) -> CancelledRequest:
    """End a request; one that runs frees its GPU within one decode step."""
    return cancelled(await services.requests.cancel(request_id, caller))


def _statuses(shown: ShownStatus | None) -> list[JobStatus] | None:
    if shown is None:
        return None
    return [JobStatus.QUEUED if shown == "pending" else JobStatus(shown)]
