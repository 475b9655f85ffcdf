"""GET /api/v1/gpus/{gpu_id}/history: a device's measurements over time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.registry.database import utc_now
from modelyard.registry.fleet.device_history import Sample, resolution_s
from modelyard.serving.api.services import TheServices
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.admin.devices import DeviceHistoryReply, DevicePoint
from modelyard.serving.wire.times import Time

router = APIRouter(prefix="/api/v1", tags=["devices"])

MOST_POINTS = 2000
USUALLY = timedelta(hours=1)


@router.get("/gpus/{gpu_id}/history")
async def show_history(
    gpu_id: str,
    services: TheServices,
    begin: Annotated[Time | None, Query(alias="from")] = None,
    end: Annotated[Time | None, Query(alias="to")] = None,
    *,
    step: Annotated[int, Query(ge=1, le=86_400)] = 10,
) -> DeviceHistoryReply:
    """Means over steps of `step` seconds; without times the last hour. Times are ISO 8601.

    Steps are longer where less is kept: minutes after a day, hours after 30 days.
    """
    until = end or utc_now()
    since = begin or until - USUALLY
    _check(since, until)
    whole_step = _step(step, since, until)
    samples = await asyncio.to_thread(services.history.between, gpu_id, since, until, whole_step)
    points = [_point(sample) for sample in samples]
    return DeviceHistoryReply(gpu_id=gpu_id, step=whole_step, points=points)


def _check(since: datetime, until: datetime) -> None:
    if since >= until:
        raise InvalidRequest("'from' must be before 'to'.", param="from")


def _step(wanted: int, since: datetime, until: datetime) -> int:
    """Seconds for at most MOST_POINTS points, of which each has all that is kept of its time."""
    least = max(wanted, -(-int((until - since).total_seconds()) // MOST_POINTS))
    kept = resolution_s(since, utc_now())
    return -(-least // kept) * kept


def _point(sample: Sample) -> DevicePoint:
    return DevicePoint(
        time=datetime.fromtimestamp(sample.at, UTC),
        utilization=sample.utilization,
        memory_used=sample.memory_used,
        temperature=sample.temperature,
        power_usage=sample.power_usage,
        throttle_reasons=[reason for reason in sample.throttle.split(",") if reason],
        active_requests=sample.active_requests,
        queued_requests=sample.queued_requests,
        tokens_per_second=sample.tokens_per_s,
    )
