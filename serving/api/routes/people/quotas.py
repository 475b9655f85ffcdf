"""GET /api/v1/quota, and GET and PUT /api/v1/admin/users/{user_id}/quota."""

import asyncio

from fastapi import APIRouter, Depends

from modelyard.registry.billing.quota import Quota
from modelyard.serving.api.admins import admin_or
from modelyard.serving.api.services import Services, TheCaller, TheServices
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.admin.quotas import NewQuota, UserQuota

router = APIRouter(prefix="/api/v1", tags=["quotas"])

OF_A_USER = "/admin/users/{user_id}/quota"
_ADMIN = admin_or("Only admins see and set the quotas of others.", fix="GET /api/v1/quota")


@router.get("/quota")
async def own_quota(services: TheServices, caller: TheCaller) -> UserQuota:
    """What the caller may use and has used."""
    return shown(await services.gateway.gate.quota(caller.user_id), services)


@router.get(OF_A_USER, dependencies=[Depends(_ADMIN)])
async def show_quota(user_id: str, services: TheServices) -> UserQuota:
    """What a user may use and has used; for admins."""
    await asyncio.to_thread(services.quotas.check_user, user_id)
    return shown(await services.gateway.gate.quota(user_id), services)


@router.put(OF_A_USER, dependencies=[Depends(_ADMIN)])
async def set_quota(user_id: str, asked: NewQuota, services: TheServices) -> UserQuota:
    """Set what a user may use; it holds on every gateway within about a second. For admins."""
    if asked.user_id not in (None, user_id):
        raise InvalidRequest("'user_id' must be that of the address.", param="user_id")
    quota = await asyncio.to_thread(services.quotas.set, user_id, asked.change)
    services.gateway.gate.changed(user_id)
    return shown(quota, services)


def shown(quota: Quota, services: Services) -> UserQuota:
    devices = services.running.devices_of(quota.user_id)
    return UserQuota.of(quota, len(devices))
