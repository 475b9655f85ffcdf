"""GET /api/v1/usage: the caller's own usage; for admins, every user's."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.registry.errors import NotPermitted
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.admin.reports.usage_report import UsageDay, UsageReport

router = APIRouter(prefix="/api/v1", tags=["usage"])


@router.get("/usage")
async def show_usage(
    services: TheServices,
    caller: TheCaller,
    days: Annotated[int, Query(ge=1, le=366)] = 30,
    user: Annotated[str, Query(max_length=100, description="A name; empty: all you may see.")] = "",
) -> UsageReport:
    """Requests and tokens by day, user and model."""
    if user not in ("", caller.name) and not caller.is_admin:
        raise NotPermitted("What others used is for admins to see.", fix="Leave `user` away.")
    shown = user or (None if caller.is_admin else caller.name)
    totals = await asyncio.to_thread(services.usage.totals, days, shown)
    return UsageReport(usage=[UsageDay.of(total) for total in totals])
