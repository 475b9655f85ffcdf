"""GET /api/v1/quota, and GET and PUT /api/v1/admin/users/{user_id}/quota."""

import asyncio

from fastapi import APIRouter

from modelyard.registry.billing.quotas import Quota
from modelyard.registry.errors import NotPermitted
from modelyard.registry.identity.caller import Caller
from modelyard.serving.api.services import Services, TheCaller, TheServices
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.admin.quotas import NewQuota, UserQuota

router = APIRouter(prefix="/api/v1", tags=["quotas"])

OF_A_USER = "/admin/users/{user_id}/quota"


@router.get("/quota")
async def own_quota(services: TheServices, caller: TheCaller) -> UserQuota:
    """What the caller may use and has used."""
    return shown(await services.gateway.gate.quota(caller.user_id), services)


@router.get(OF_A_USER)
async def show_quota(user_id: str, services: TheServices, caller: TheCaller) -> UserQuota:
    """What a user may use and has used; for admins."""
    _only_admins(caller)
    await asyncio.to_thread(services.quotas.check_user, user_id)
    return shown(await services.gateway.gate.quota(user_id), services)


@router.put(OF_A_USER)
async def set_quota(
    user_id: str, asked: NewQuota, services: TheServices, caller: TheCaller
) -> UserQuota:
    """Set what a user may use; it holds on every gateway within about a second. For admins."""
    _only_admins(caller)
    if asked.user_id not in (None, user_id):
        raise InvalidRequest("'user_id' must be that of the address.", param="user_id")
    quota = await asyncio.to_thread(services.quotas.set, user_id, asked.change)
    services.gateway.gate.changed(user_id)
    return shown(quota, services)


def _only_admins(caller: Caller) -> None:
    if not caller.is_admin:
        raise NotPermitted("Only admins see and set the quotas of others.", fix="GET /api/v1/quota")


def shown(quota: Quota, services: Services) -> UserQuota:
    devices = services.running.devices_of(quota.user_id)
    return UserQuota.of(quota, len(devices))
