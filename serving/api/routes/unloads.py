"""POST /api/v1/admin/unloads: takes a version out of the devices' memory."""

import asyncio

from fastapi import APIRouter, Depends

from modelyard.registry.catalog.model import ModelRef
from modelyard.serving.api.admins import admin_or
from modelyard.serving.api.services import TheServices
from modelyard.serving.errors import NotFound
from modelyard.serving.routing.fleet.unloading import Unloading
from modelyard.serving.wire.admin.unloading import NewUnload, UnloadReply

_ADMIN = admin_or("Only an admin may unload a version.")
router = APIRouter(prefix="/api/v1/admin", tags=["models"], dependencies=[Depends(_ADMIN)])


@router.post("/unloads")
async def unload(asked: NewUnload, services: TheServices) -> UnloadReply:
    """Free the memory that a version takes, once its requests have ended; it stays registered."""
    version = await asyncio.to_thread(services.queries.catalog.find, ModelRef.parse(asked.model))
    fleet = services.queries.fleet
    if asked.device and await asyncio.to_thread(fleet.worker, asked.device) is None:
        raise NotFound(f"There is no device '{asked.device}'.", fix="GET /api/v1/gpus lists them.")
    requests = services.gateway.router
    unloading = Unloading(fleet, requests.upstream, requests.load_timeout_s)
    freed = await unloading.unload(version.id, asked.device or None)
    return UnloadReply(model=version.model, number=version.number, devices=freed)
