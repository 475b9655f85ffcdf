"""Who is asking, and what they may do."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a user may do; a service account acts on behalf of users."""

    ADMIN = "admin"
    USER = "user"
    SERVICE = "service"


class Caller(msgspec.Struct, frozen=True, cache_hash=True):
    """Who is asking: the identity every row and every bill is tied to."""

    user_id: str
    name: str
    role: Role

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN
