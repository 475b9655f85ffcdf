"""GET /api/v1/usage/history: the caller's own traffic; for admins, everybody's."""

from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.admin.traffic import TrafficReply

router = APIRouter(prefix="/api/v1", tags=["usage"])

MOST_POINTS = 1500


@router.get("/usage/history")
async def show_traffic(
    services: TheServices,
    caller: TheCaller,
    minutes: Annotated[int, Query(ge=1, le=7 * 24 * 60)] = 60,
    step: Annotated[int, Query(ge=10, le=24 * 3600, description="Seconds a point.")] = 60,
) -> TrafficReply:
    """Requests, failures, tokens and time to first token of the last minutes, by steps."""
    if minutes * 60 / step > MOST_POINTS:
        raise InvalidRequest(
            f"{minutes} minutes in steps of {step} s are more than {MOST_POINTS} points.",
            param="step",
            fix="Take longer steps.",
        )
    user_id = None if caller.is_admin else caller.user_id
    steps = await services.traffic.get((minutes, step, user_id))
    return TrafficReply.of(step, steps)
