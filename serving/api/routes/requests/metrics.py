"""GET /api/v1/metrics: requests, devices and users of the last minutes, as JSON."""

from typing import Annotated

from fastapi import APIRouter, Query

from modelyard.registry.billing.response_times import ResponseTimes, together
from modelyard.registry.database import utc_now
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.serving.api.services import Services, TheCaller, TheServices
from modelyard.serving.wire.admin.reports.metrics import GpuUtilization, MetricsReply, UserMetrics

router = APIRouter(prefix="/api/v1", tags=["usage"])


@router.get("/metrics")
async def show_metrics(
    services: TheServices,
    caller: TheCaller,
    minutes: Annotated[int, Query(ge=1, le=7 * 24 * 60)] = 60,
) -> MetricsReply:
    """What was asked for and what runs; users see their own requests, admins everybody's."""
    whose = None if caller.is_admin else caller.user_id
    times = await services.responses.get((minutes, whose))
    await services.snapshots.now()
    active = services.running.by_user()
    if whose is not None:
        active = {whose: active.get(whose, 0)}
    whole = together(times.values())
    return MetricsReply(
        timestamp=utc_now(),
        minutes=minutes,
        total_requests=whole.requests + sum(active.values()),
        active_requests=sum(active.values()),
        completed_requests=whole.requests - whole.failed,
        failed_requests=whole.failed,
        average_response_time=whole.mean_ms,
        p95_response_time=whole.quantile_ms(0.95),
        p99_response_time=whole.quantile_ms(0.99),
        gpu_utilization={w.device_id: _gpu(w) for w in await services.queries.workers()},
        user_metrics={
            user: _user(times.get(user, ResponseTimes()), active.get(user, 0), user, services)
            for user in sorted(times.keys() | active.keys())
        },
    )


def _gpu(worker: WorkerView) -> GpuUtilization:
    device = worker.device
    is_known = device.memory_total and device.memory_used is not None
    return GpuUtilization(
        memory_utilization=(device.memory_used or 0) / device.memory_total
        if is_known and device.memory_total
        else None,
        compute_utilization=device.utilization,
        temperature=device.temperature,
        active_requests=device.active_requests,
        queued_requests=device.queued_requests,
    )


def _user(times: ResponseTimes, active: int, user_id: str, services: Services) -> UserMetrics:
    return UserMetrics(
        total_requests=times.requests + active,
        active_requests=active,
        completed_requests=times.requests - times.failed,
        failed_requests=times.failed,
        average_response_time=times.mean_ms,
        gpu_usage=len(services.running.devices_of(user_id)),
    )
