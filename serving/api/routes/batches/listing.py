"""GET /api/v1/batches: batches of either API, for admins everybody's."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.registry.batches.batch_book import BatchFilter
from modelyard.serving.api.admins import whose
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.jobs.cursor import read_cursor, write_cursor
from modelyard.serving.wire.admin.batches import BatchPage, BatchSummary

router = APIRouter(prefix="/api/v1", tags=["requests"])

USER = "A user's id. Admins: whose batches, empty for everybody's. Others: their own, or empty."


@router.get("/batches")
async def list_all_batches(
    services: TheServices,
    caller: TheCaller,
    *,
    user_id: Annotated[str, Query(max_length=36, description=USER)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str, Query(max_length=200, description="`next_cursor` of a page.")] = "",
) -> BatchPage:
    """Batches of either API, the latest first: one's own and those handed in; admins see all."""
    wanted = BatchFilter(
        user_id=whose(user_id, caller), seen_by=None if caller.is_admin else caller.user_id
    )
    after = read_cursor(cursor)
    found = await asyncio.to_thread(services.batches.book.page, wanted, after, limit + 1)
    page = found[:limit]
    last = (page[-1].created_at, page[-1].id) if len(found) > limit else None
    return BatchPage(
        batches=[BatchSummary.of(batch) for batch in page],
        next_cursor=write_cursor(last) if last else None,
    )
