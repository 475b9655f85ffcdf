"""What a credential was good for, so that a connection can end as soon as the credential does."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Select, or_, select

from modelyard.registry.database import Database, utc_now
from modelyard.registry.identity import sessions
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.identity.identity import digest, refused
from modelyard.registry.identity.tables import ApiKeyRow, UserRow

PART = 500
"""Values in one statement; SQLite has a limit."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Grant:
    """By which credential a user was let in: a key, known by its sha256, or a session."""

    user_id: str
    key_sha256: str | None = None
    session_issued_at: datetime | None = None
    session_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grants:
    """Finds out which credentials still hold; `secret` signs the sessions."""

    db: Database
    secret: str = field(repr=False)

    def of(self, user_id: str, credential: str) -> Grant:
        """The grant of a credential with which this user was just authenticated."""
        if credential.startswith("my_"):
            return Grant(user_id, key_sha256=digest(credential))
        claims = sessions.read(self.secret, credential)
        if claims is None:
            raise refused()
        return Grant(
            user_id, session_issued_at=claims.issued_at, session_expires_at=claims.expires_at
        )

    def still_hold(self, grants: Iterable[Grant]) -> dict[Grant, Caller]:
        """Those that would be let in now, with who they are now."""
        asked = list(dict.fromkeys(grants))
        with self.db.read() as session:
            users = {
                row.id: row
                for part in _parts([grant.user_id for grant in asked])
                for row in session.scalars(_enabled(part))
            }
            keys = {
                sha256
                for part in _parts([g.key_sha256 for g in asked if g.key_sha256])
                for sha256 in session.scalars(_valid(part))
            }
        return {
            grant: Caller(user.id, user.name, Role(user.role))
            for grant in asked
            if (user := users.get(grant.user_id)) and _holds(grant, user, keys)
        }


def _enabled(user_ids: Sequence[str]) -> Select[tuple[UserRow]]:
    return select(UserRow).where(UserRow.id.in_(user_ids), UserRow.disabled_at.is_(None))


def _valid(keys: Sequence[str]) -> Select[tuple[str]]:
    in_time = or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > utc_now())
    return select(ApiKeyRow.sha256).where(
        ApiKeyRow.sha256.in_(keys), ApiKeyRow.revoked_at.is_(None), in_time
    )


def _holds(grant: Grant, user: UserRow, keys: set[str]) -> bool:
    if grant.key_sha256 is not None:
        return grant.key_sha256 in keys
    issued = grant.session_issued_at
    expires = grant.session_expires_at
    if issued is None or expires is None:
        return False
    return issued >= user.sessions_valid_from and expires > utc_now()


def _parts(values: list[T]) -> Iterator[list[T]]:
    once = list(dict.fromkeys(values))
    return (once[first : first + PART] for first in range(0, len(once), PART))
