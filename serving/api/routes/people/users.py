"""/api/v1/admin/users: users, for admins."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Depends, Response

from modelyard.registry.billing.quota import Quota
from modelyard.registry.identity.identity import Identity
from modelyard.registry.identity.users import UserView
from modelyard.registry.jobs.wake_up import JobSignal
from modelyard.serving.access.user_removal import UserRemoval
from modelyard.serving.api.admins import admin_or
from modelyard.serving.api.routes.people.quotas import shown
from modelyard.serving.api.services import Services, TheServices
from modelyard.serving.wire.admin.people import NewUser, UserChange, UserEntry, UserList

_ADMIN = admin_or("Only an admin may see and change users.", fix="GET /api/v1/me")
router = APIRouter(prefix="/api/v1/admin", tags=["users"], dependencies=[Depends(_ADMIN)])


@router.get("/users")
async def list_users(services: TheServices) -> UserList:
    """Every user and service account."""
    users = await asyncio.to_thread(services.authenticator.identity.list_users)
    return UserList(users=await _entries(users, services))


@router.post("/users", status_code=201)
async def add_user(asked: NewUser, services: TheServices) -> UserEntry:
    """Add a user; a program gets the role `service` and no password."""
    identity = services.authenticator.identity
    password = asked.password.get_secret_value() if asked.password else None
    user = await asyncio.to_thread(identity.create_user, asked.name, asked.role, password)
    return (await _entries([user], services))[0]


@router.patch("/users/{user_id}")
async def change_user(user_id: str, asked: UserChange, services: TheServices) -> UserEntry:
    """Shut a user out or let it in again, or set its password; either ends its sessions."""
    identity = services.authenticator.identity
    user = await asyncio.to_thread(_changed, identity, user_id, asked)
    services.authenticator.forget()
    return (await _entries([user], services))[0]


@router.delete("/users/{user_id}", status_code=204)
async def delete_user(user_id: str, services: TheServices) -> Response:
    """Remove a user for good, with keys, quota, files and what it has under way; usage stays."""
    identity = services.authenticator.identity
    user = await asyncio.to_thread(identity.user, user_id)
    batches = services.batches
    removal = UserRemoval(identity, services.jobs.queue, batches.batches, batches.stored)
    await asyncio.to_thread(removal.remove, user.name)
    services.authenticator.forget()
    services.jobs.heard(JobSignal.CANCELLED)
    return Response(status_code=204)


async def _entries(users: Sequence[UserView], services: Services) -> list[UserEntry]:
    """Users with their quotas, which are read together."""
    ids = [user.id for user in users]
    quotas = {q.user_id: q for q in await asyncio.to_thread(services.quotas.find_all, ids)}
    return [
        UserEntry.of(user, shown(quotas.get(user.id, Quota(user.id)), services)) for user in users
    ]


def _changed(identity: Identity, user_id: str, asked: UserChange) -> UserView:
    name = identity.user(user_id).name
    if asked.password is not None:
        identity.set_password(name, asked.password.get_secret_value())
    if asked.disabled is not None:
        identity.set_disabled(name, asked.disabled)
    return identity.user(user_id)
