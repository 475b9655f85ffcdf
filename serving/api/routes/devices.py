"""GET /api/v1/gpus and /api/v1/gpus/{gpu_id}."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from modelyard.registry.fleet.fleet import WorkerView
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.identity.caller import Caller
from modelyard.serving.api.at_work import WorkOnDevices
from modelyard.serving.api.performance import UNMEASURED, Performance, performances
from modelyard.serving.api.services import Services, TheCaller, TheServices
from modelyard.serving.errors import NotFound
from modelyard.serving.wire.admin.devices import (
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
    work = await WorkOnDevices.seen(services)
    return DeviceList(gpus=[_summary(worker, services, seen, work) for worker in workers])


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
    work = await WorkOnDevices.seen(services)
    active = work.on(gpu_id, _reported(worker, services))
    running = {"active_requests": [each for each in active if _may_see(caller, each.user_id)]}
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


def _summary(
    worker: WorkerView, services: Services, seen: DeviceKnowledge, work: WorkOnDevices
) -> DeviceSummary:
    report = _reported(worker, services)
    known = len(work.on(worker.device_id, report))
    # More than are known of: other gateways have live requests there, which only they can name.
    running = {"active_requests": max(known, report.active_requests)}
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


def _may_see(caller: Caller, user_id: str) -> bool:
    return caller.is_admin or user_id == caller.user_id
