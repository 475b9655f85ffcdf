"""Users and keys, in the registry here or at a gateway elsewhere."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from pydantic import TypeAdapter

from modelyard.registry.errors import UnknownUser
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.users import KeyView, UserView
from modelyard.serving.cli.connection import GatewayConnection, elsewhere

USERS = "/api/v1/admin/users"
KEYS = "/api/v1/keys"
_VIEWS = TypeAdapter(list[UserView])
_KEY_VIEWS = TypeAdapter(list[KeyView])


class Directory(Protocol):
    """What commands do about users and keys, who are named as people name them."""

    def create_user(self, name: str, role: Role, password: str | None = None) -> UserView: ...
    def list_users(self) -> list[UserView]: ...
    def set_password(self, name: str, password: str) -> None: ...
    def set_disabled(self, name: str, disabled: bool) -> None: ...
    def create_key(self, user: str, name: str, expires: datetime | None = None) -> str: ...
    def list_keys(self, user: str | None = None) -> list[KeyView]: ...
    def revoke_key(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class GatewayDirectory:
    """The users and keys behind a gateway's API; the key decides what may be seen and done."""

    gateway: GatewayConnection

    def create_user(self, name: str, role: Role, password: str | None = None) -> UserView:
        body = {"name": name, "role": role, "password": password}
        return _view(self.gateway.ask("POST", USERS, body))

    def list_users(self) -> list[UserView]:
        return _VIEWS.validate_python(self.gateway.ask("GET", USERS)["users"])

    def set_password(self, name: str, password: str) -> None:
        self._change(name, {"password": password})

    def set_disabled(self, name: str, disabled: bool) -> None:
        self._change(name, {"disabled": disabled})

    def remove_user(self, name: str) -> None:
        self.gateway.ask("DELETE", f"{USERS}/{self.id_of(name)}")

    def create_key(self, user: str, name: str, expires: datetime | None = None) -> str:
        until = expires.isoformat() if expires else None
        body = {"user": user, "name": name, "expires_at": until}
        return str(self.gateway.ask("POST", KEYS, body)["key"])

    def list_keys(self, user: str | None = None) -> list[KeyView]:
        keys = _KEY_VIEWS.validate_python(self.gateway.ask("GET", KEYS)["keys"])
        return [key for key in keys if user in {None, key.user}]

    def revoke_key(self, key: str) -> None:
        found = next((each for each in self.list_keys() if key in {each.id, each.prefix}), None)
        if found is None:
            raise UnknownUser(f"There is no key '{key[:40]}'.", fix="See `modelyard keys list`.")
        self.gateway.ask("DELETE", f"{KEYS}/{quote(found.id, safe='')}")

    def id_of(self, name: str) -> str:
        """A user's id, quoted as a part of a path; raises UnknownUser."""
        found = next((user.id for user in self.list_users() if user.name == name), None)
        if found is None:
            raise UnknownUser(
                f"There is no user '{name[:100]}'.", fix="See `modelyard users list`."
            )
        return quote(found, safe="")

    def _change(self, name: str, change: dict[str, Any]) -> None:
        self.gateway.ask("PATCH", f"{USERS}/{self.id_of(name)}", change)


@contextmanager
def directory() -> Generator[Directory]:
    """The users and keys that a command works with, for its length."""
    if gateway := elsewhere():
        yield GatewayDirectory(gateway)
        return
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        yield registry.identity


def remove_user(name: str) -> None:
    """Remove a user for good; raises UnknownUser, LastAdmin, or StillInUse for owners of models."""
    if gateway := elsewhere():
        GatewayDirectory(gateway).remove_user(name)
        return
    from modelyard.registry.batches.entering import Batches
    from modelyard.registry.files.file_store import FileStore
    from modelyard.registry.jobs.queue import JobQueue
    from modelyard.serving.access.user_removal import UserRemoval
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        queue = JobQueue(registry.database)
        batches = Batches(registry.database)
        stored = FileStore(lambda: registry.store)
        UserRemoval(registry.identity, queue, batches, stored).remove(name)


def _view(user: dict[str, Any]) -> UserView:
    return _VIEWS.validate_python([user])[0]
