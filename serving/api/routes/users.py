"""/api/v1/admin/users: users, for admins."""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter

from modelyard.registry.billing.quotas import Quota
from modelyard.registry.errors import NotPermitted
from modelyard.registry.identity.caller import Caller
from modelyard.registry.identity.identity import Identity
from modelyard.registry.identity.users import UserView
from modelyard.serving.api.routes.quotas import shown
from modelyard.serving.api.services import Services, TheCaller, TheServices
from modelyard.serving.wire.admin.people import NewUser, UserChange, UserEntry, UserList

router = APIRouter(prefix="/api/v1/admin", tags=["users"])


@router.get("/users")
async def list_users(services: TheServices, caller: TheCaller) -> UserList:
    """Every user and service account."""
    users = await asyncio.to_thread(_identity(services, caller).list_users)
    return UserList(users=await _entries(users, services))


@router.post("/users", status_code=201)
async def add_user(asked: NewUser, services: TheServices, caller: TheCaller) -> UserEntry:
    """Add a user; a program gets the role `service` and no password."""
    identity = _identity(services, caller)
    password = asked.password.get_secret_value() if asked.password else None
    user = await asyncio.to_thread(identity.create_user, asked.name, asked.role, password)
    return (await _entries([user], services))[0]


@router.patch("/users/{user_id}")
async def change_user(
    user_id: str, asked: UserChange, services: TheServices, caller: TheCaller
) -> UserEntry:
    """Shut a user out or let it in again, or set its password; either ends its sessions."""
    identity = _identity(services, caller)
    user = await asyncio.to_thread(_changed, identity, user_id, asked)
    services.authenticator.forget()
    return (await _entries([user], services))[0]


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


def _identity(services: Services, caller: Caller) -> Identity:
    if not caller.is_admin:
        raise NotPermitted("Only an admin may see and change users.", fix="GET /api/v1/me")
    return services.authenticator.identity
