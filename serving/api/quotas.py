"""GET /api/v1/quota, and GET and PUT /api/v1/admin/users/{user_id}/quota."""

import asyncio

from fastapi import APIRouter

from registry.errors import NotPermitted
from registry.names import Caller
from registry.quotas import Quota
from serving.api.parts import Parts, TheCaller, TheParts
from serving.errors import InvalidRequest
from serving.wire.quotas import NewQuota, UserQuota

router = APIRouter(prefix="/api/v1", tags=["quotas"])

OF_A_USER = "/admin/users/{user_id}/quota"


@router.get("/quota")
async def own_quota(parts: TheParts, caller: TheCaller) -> UserQuota:
    """What the caller may use and has used."""
    return _shown(await parts.gateway.gate.quota(caller.user_id), parts)


@router.get(OF_A_USER)
async def show_quota(user_id: str, parts: TheParts, caller: TheCaller) -> UserQuota:
    """What a user may use and has used; for admins."""
    _only_admins(caller)
    await asyncio.to_thread(parts.quotas.check_user, user_id)
    return _shown(await parts.gateway.gate.quota(user_id), parts)


@router.put(OF_A_USER)
async def set_quota(user_id: str, asked: NewQuota, parts: TheParts, caller: TheCaller) -> UserQuota:
    """Set what a user may use; it holds on every gateway within about a second. For admins."""
    _only_admins(caller)
    if asked.user_id not in (None, user_id):
        raise InvalidRequest("'user_id' must be that of the address.", param="user_id")
    quota = await asyncio.to_thread(parts.quotas.set, user_id, asked.change)
    parts.gateway.gate.changed(user_id)
    return _shown(quota, parts)


def _only_admins(caller: Caller) -> None:
    if not caller.is_admin:
        raise NotPermitted("Only admins see and set the quotas of others.", fix="GET /api/v1/quota")


def _shown(quota: Quota, parts: Parts) -> UserQuota:
    devices = parts.gateway.router.running.devices_of(quota.user_id)
    return UserQuota.of(quota, len(devices))
