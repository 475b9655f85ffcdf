"""Views of users and keys for people, without hashes or key texts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelyard.registry.identity.caller import Role

if TYPE_CHECKING:
    from modelyard.registry.identity.tables import ApiKeyRow, UserRow


@dataclass(frozen=True, slots=True)
class UserView:
    """A user or service account as lists show it."""

    id: str
    name: str
    role: Role
    disabled: bool
    has_password: bool
    created_at: datetime

    @classmethod
    def of(cls, row: "UserRow") -> "UserView":
        return cls(
            id=row.id,
            name=row.name,
            role=Role(row.role),
            disabled=row.disabled_at is not None,
            has_password=row.password_hash is not None,
            created_at=row.created_at,
        )


@dataclass(frozen=True, slots=True)
class KeyView:
    """An API key as lists show it; `prefix` is the beginning of its text."""

    id: str
    user: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def state(self) -> str:
        """The word for whether it still opens anything."""
        if self.revoked_at:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return "expired" if is_over else "active"

    @classmethod
    def of(cls, row: "ApiKeyRow", user: str) -> "KeyView":
        return cls(
            id=row.id,
            user=user,
            name=row.name,
            prefix=row.prefix,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )
