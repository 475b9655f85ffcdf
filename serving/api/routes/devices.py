"""GET /api/v1/gpus and /api/v1/gpus/{gpu_id}."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from modelyard.registry.fleet.fleet import WorkerView
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.identity.caller import Caller
from modelyard.registry.jobs.job import Job
from modelyard.serving.api.performance import UNMEASURED, Performance, performances
from modelyard.serving.api.services import Services, TheCaller, TheServices
from modelyard.serving.errors import NotFound
from modelyard.serving.routing.running import RunningRequest
from modelyard.serving.wire.admin.devices import (
    ActiveRequest,
    DeviceDetail,
    DeviceList,
    DeviceSummary,
)

router = APIRouter(prefix="/api/v1", tags=["devices"])


@dataclass(frozen=True, slots=True)
class DeviceKnowledge:
    """Error rates and performance by device id, which workers do not report themselves."""

    error_rates: Mapping[str, float]
    performance: Mapping[str, Performance]


@router.get("/gpus")
async def list_gpus(services: TheServices) -> DeviceList:
    """Every device: its memory, load and state."""
    await services.snapshots.now()
    workers = await services.queries.workers()
    seen = DeviceKnowledge(
        await services.failures.get(None), performances(_living(workers, services))
    )
    return DeviceList(gpus=[_summary(worker, services, seen) for worker in workers])


@router.get("/gpus/{gpu_id}")
async def show_gpu(gpu_id: str, services: TheServices, caller: TheCaller) -> DeviceDetail:
    """One device, with its processes and the requests on it that the caller may see."""
    await services.snapshots.now()
    workers = await services.queries.workers()
    worker = next((w for w in workers if w.device_id == gpu_id), None)
    if worker is None:
        raise NotFound(f"There is no device '{gpu_id[:100]}'.", fix="GET /api/v1/gpus lists them.")
    seen = DeviceKnowledge(
        await services.failures.get(None), performances(_living(workers, services))
    )
    running = {"active_requests": await _active_on(gpu_id, services, caller)}
    return DeviceDetail.model_validate(_base(worker, services, seen) | running)


def _living(workers: Sequence[WorkerView], services: Services) -> list[WorkerView]:
    return [worker for worker in workers if services.snapshots.signs.is_alive(worker)]


def _reported(worker: WorkerView, services: Services) -> DeviceReport:
    """A worker's report, or why it does not count."""
    signs = services.snapshots.signs
    if signs.is_alive(worker):
        return worker.device
    if signs.is_stranger(worker.device_id):
        return worker.device.without_worker(
            "its worker has another MODELYARD_SECRET_KEY than this gateway"
        )
    return worker.device.silent(signs.silent_s(worker))


def _summary(worker: WorkerView, services: Services, seen: DeviceKnowledge) -> DeviceSummary:
    # Those that were sent and wait in an engine's queue are counted there.
    here = len(services.running.on(worker.device_id)) - worker.device.queued_requests
    running = {"active_requests": max(here, worker.device.active_requests)}
    return DeviceSummary.model_validate(_base(worker, services, seen) | running)


def _base(worker: WorkerView, services: Services, seen: DeviceKnowledge) -> dict[str, Any]:
    """The worker's report, whose field names match the wire's, plus what the gateway knows."""
    report = _reported(worker, services)
    performance = seen.performance.get(worker.device_id, UNMEASURED)
    return report.as_json() | {
        "gpu_id": worker.device_id,
        "performance_index": performance.index,
        "performance_samples": performance.samples,
        "error_rate": seen.error_rates.get(worker.device_id),
    }


async def _active_on(gpu_id: str, services: Services, caller: Caller) -> list[ActiveRequest]:
    """What this gateway has there, and the queued requests that any gateway has there."""
    jobs = {job.id: job for job in await asyncio.to_thread(services.jobs.book.at_work_on, gpu_id)}
    here = services.running.on(gpu_id)
    of_others = jobs.keys() - {request.request_id for request in here}
    own = [_active(r, jobs.get(r.request_id)) for r in here if _may_see(caller, r.caller.user_id)]
    return own + [
        _active_job(job)
        for job in jobs.values()
        if job.id in of_others and _may_see(caller, job.user_id)
    ]


def _may_see(caller: Caller, user_id: str) -> bool:
    return caller.is_admin or user_id == caller.user_id


def _active(request: RunningRequest, job: Job | None) -> ActiveRequest:
    """Progress is known of queued requests alone; a client that waits sees its own."""
    return ActiveRequest(
        request_id=request.request_id,
        user_id=request.caller.user_id,
        model_id=request.model,
        start_time=request.started_at,
        progress=job.progress if job else None,
    )


def _active_job(job: Job) -> ActiveRequest:
    return ActiveRequest(
        request_id=job.id,
        user_id=job.user_id,
        model_id=job.version or job.model,
        start_time=job.started_at or job.submitted_at,
        progress=job.progress,
    )
