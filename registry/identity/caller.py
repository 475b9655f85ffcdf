"""The caller of a request, and what the caller may do."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """The role of a user; a service account acts on behalf of users."""

    ADMIN = "admin"
    USER = "user"
    SERVICE = "service"


class Caller(msgspec.Struct, frozen=True, cache_hash=True):
    """The identity that a request's rows and usage are recorded under."""

    user_id: str
    name: str
    role: Role

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN
