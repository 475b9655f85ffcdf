"""Admin routes for devices: take them out of service, and clear their faults."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends

from modelyard.registry.fleet.device_orders import DeviceOrder
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.registry.identity.caller import Caller
from modelyard.serving.api.admins import admin_or
from modelyard.serving.api.services import Services, TheServices
from modelyard.serving.errors import NotFound
from modelyard.serving.wire.admin.devices import DeviceOrderReply, Maintenance

router = APIRouter(prefix="/api/v1/admin", tags=["devices"])

TheAdmin = Annotated[Caller, Depends(admin_or("Only an admin may change what a device does."))]


@router.put("/gpus/{gpu_id}/maintenance")
async def set_maintenance(
    gpu_id: str, wanted: Maintenance, services: TheServices, caller: TheAdmin
) -> DeviceOrderReply:
    """Take a device out of work, or give it back; what runs on it may finish."""
    worker = await _worker(gpu_id, services)
    order = await asyncio.to_thread(
        services.orders.set_maintenance,
        worker.device_id,
        on=wanted.on,
        reason=wanted.reason,
        by=caller.name,
    )
    return _reply(order)


@router.post("/gpus/{gpu_id}/clear")
async def clear(gpu_id: str, services: TheServices, caller: TheAdmin) -> DeviceOrderReply:
    """Let a device work again after XID or memory errors that somebody has seen to."""
    worker = await _worker(gpu_id, services)
    order = await asyncio.to_thread(
        services.orders.clear, worker.device_id, ecc_errors=worker.device.ecc_errors, by=caller.name
    )
    return _reply(order)


async def _worker(gpu_id: str, services: Services) -> WorkerView:
    worker = await asyncio.to_thread(services.queries.fleet.worker, gpu_id)
    if worker is None:
        raise NotFound(f"There is no device '{gpu_id[:100]}'.", fix="GET /api/v1/gpus lists them.")
    return worker


def _reply(order: DeviceOrder) -> DeviceOrderReply:
    return DeviceOrderReply(
        gpu_id=order.device_id,
        maintenance=order.maintenance,
        reason=order.reason,
        cleared_at=order.cleared_at,
    )
