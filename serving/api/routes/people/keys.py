"""/api/v1/keys: the caller's own API keys; for admins, everybody's."""

import asyncio

from fastapi import APIRouter, Response

from modelyard.registry.errors import NotPermitted, UnknownUser
from modelyard.serving.api.services import TheCaller, TheServices
from modelyard.serving.wire.admin.people import CreatedKey, KeyEntry, KeyList, NewKey

router = APIRouter(prefix="/api/v1", tags=["users"])


@router.get("/keys")
async def list_keys(services: TheServices, caller: TheCaller) -> KeyList:
    """Every key the caller may see, without its text."""
    whose = None if caller.is_admin else caller.name
    keys = await asyncio.to_thread(services.authenticator.identity.list_keys, whose)
    return KeyList(keys=[KeyEntry.of(key) for key in keys])


@router.post("/keys", status_code=201)
async def create_key(asked: NewKey, services: TheServices, caller: TheCaller) -> CreatedKey:
    """Make a key; its text is in this answer and nowhere else."""
    user = asked.user or caller.name
    if user != caller.name and not caller.is_admin:
        raise NotPermitted("Only an admin may make keys for others.", fix="Leave `user` away.")
    identity = services.authenticator.identity
    key = await asyncio.to_thread(identity.create_key, user, asked.name, asked.expires_at)
    return CreatedKey(key=key, user=user, name=asked.name, expires_at=asked.expires_at)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(key_id: str, services: TheServices, caller: TheCaller) -> Response:
    """End a key for good; its next requests are refused within 5 seconds."""
    identity = services.authenticator.identity
    whose = None if caller.is_admin else caller.name
    keys = await asyncio.to_thread(identity.list_keys, whose)
    if key_id not in {key.id for key in keys}:  # a foreign key is as unknown as a missing one
        raise UnknownUser(f"There is no key '{key_id[:40]}'.", fix="See GET /api/v1/keys.")
    await asyncio.to_thread(identity.revoke_key, key_id)
    services.authenticator.forget()
    return Response(status_code=204)
