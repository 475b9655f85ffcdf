"""Creates and authenticates users, API keys and sessions."""

import hashlib
import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import (
    AlreadyExists,
    InvalidName,
    LastAdmin,
    NotAuthenticated,
    UnknownUser,
)
from modelyard.registry.identity import sessions
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.identity.tables import ApiKeyRow, UserRow
from modelyard.registry.identity.users import KeyView, UserView
from modelyard.registry.secrets import internal_token, secret_key

FIRST_ADMIN = "admin"
_USER = re.compile(r"[A-Za-z0-9][\w.@+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Users, keys and sessions of one installation; `secret` signs the sessions."""

    db: Database
    secret: str = field(repr=False)

    def first_admin(self) -> str | None:
        """Create an admin if there is none, and return its key; None if there is one."""
        try:
            with self.db.begin() as session:
                admins = select(UserRow.id).where(UserRow.role == Role.ADMIN)
                if session.scalar(select(exists(admins))):
                    return None
                row = UserRow(name=FIRST_ADMIN, role=Role.ADMIN)
                session.add(row)
                session.flush()
                return _new_key(session, row, "first key", None)
        except IntegrityError:  # another process created it first
            return None

    def create_user(self, name: str, role: Role, password: str | None = None) -> UserView:
        if not _USER.fullmatch(name):
            raise InvalidName(
                f"'{name[:100]}' is not a user name.",
                fix="Begin with a letter or digit; then letters, digits and . _ - @ + may follow.",
            )
        row = UserRow(name=name, role=role, password_hash=_hash(password))
        try:
            with self.db.begin() as session:
                session.add(row)
        except IntegrityError:
            raise AlreadyExists(f"There is a user '{name}' already.") from None
        return UserView.of(row)

    def set_password(self, name: str, password: str) -> None:
        """Set a user's password and end the user's sessions."""
        hashed = _hash(password)
        with self.db.begin() as session:
            row = user_named(session, name)
            row.password_hash = hashed
            row.sessions_valid_from = utc_now()

    def set_disabled(self, name: str, disabled: bool) -> None:  # noqa: FBT001 - its name says it
        """Disable or enable a user; sessions end for good, API keys work again once enabled.

        Raises LastAdmin instead of disabling the only admin.
        """
        with self.keeping_an_admin() as session:
            row = user_named(session, name)
            row.disabled_at = utc_now() if disabled else None
            row.sessions_valid_from = utc_now()

    def user(self, user_id: str) -> UserView:
        with self.db.read() as session:
            row = session.get(UserRow, user_id)
        if row is None:
            raise UnknownUser(f"There is no user '{user_id[:100]}'.", fix="GET /api/v1/admin/users")
        return UserView.of(row)

    @contextmanager
    def keeping_an_admin(self) -> Generator[Session]:
        """A transaction that may take rights from users: the last admin's are left, or LastAdmin.

        Every change of a user's role or of whether the user may come in goes through here.
        """
        admins = select(UserRow.id).where(UserRow.role == Role.ADMIN, UserRow.disabled_at.is_(None))
        with self.db.begin() as session:
            before = session.scalars(admins.with_for_update()).all()  # two at once take turns
            yield session
            session.flush()
            if before and session.scalar(admins.limit(1)) is None:
                raise LastAdmin(
                    "That is the last admin; nobody could manage this installation.",
                    fix="Make another one first: modelyard users add NAME --role admin",
                )

    def list_users(self) -> list[UserView]:
        with self.db.read() as session:
            rows = session.scalars(select(UserRow).order_by(UserRow.name))
            return [UserView.of(row) for row in rows]

    def create_key(self, user: str, name: str, expires: datetime | None = None) -> str:
        """Create a key and return its text; only a hash is stored, so it cannot be shown again."""
        with self.db.begin() as session:
            return _new_key(session, user_named(session, user), name, expires)

    def list_keys(self, user: str | None = None) -> list[KeyView]:
        query = select(ApiKeyRow, UserRow.name).join(UserRow, ApiKeyRow.user_id == UserRow.id)
        if user is not None:
            query = query.where(UserRow.name == user)
        with self.db.read() as session:
            rows = session.execute(query.order_by(ApiKeyRow.created_at))
            return [KeyView.of(row, owner) for row, owner in rows]

    def revoke_key(self, key: str) -> None:
        """Revoke a key, named by its id or by the prefix that lists show."""
        named = or_(ApiKeyRow.id == key, ApiKeyRow.prefix == key)
        with self.db.begin() as session:
            row = session.scalar(select(ApiKeyRow).where(named))
            if row is None:
                raise UnknownUser(
                    f"There is no key '{key[:40]}'.", fix="See `modelyard keys list`."
                )
            row.revoked_at = row.revoked_at or utc_now()

    def authenticate_key(self, key: str) -> Caller:
        """The key's owner; raises NotAuthenticated unless it is known, unexpired and unrevoked."""
        valid = (
            select(UserRow)
            .join(ApiKeyRow, ApiKeyRow.user_id == UserRow.id)
            .where(ApiKeyRow.sha256 == digest(key), ApiKeyRow.revoked_at.is_(None))
            .where(or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > utc_now()))
            .where(UserRow.disabled_at.is_(None))
        )
        with self.db.read() as session:
            return _caller(session.scalar(valid))

    def login(self, name: str, password: str) -> str:
        """Return a session token, valid for an hour; raises NotAuthenticated without saying why."""
        from modelyard.registry.identity.passwords import matches

        with self.db.read() as session:
            row = _named(session, name)
        stored = row.password_hash if row and not row.disabled_at else None
        caller = _caller(row if matches(password, stored) else None)
        return sessions.sign(self.secret, caller.user_id)

    def authenticate_token(self, token: str) -> Caller:
        """The session's user; raises NotAuthenticated if the session has expired or was ended."""
        claims = sessions.read(self.secret, token)
        if claims is None:
            raise refused()
        with self.db.read() as session:
            row = session.get(UserRow, claims.user_id)
        if row and (row.disabled_at or claims.issued_at < row.sessions_valid_from):
            row = None
        return _caller(row)


def refused() -> NotAuthenticated:
    return NotAuthenticated(
        "No valid API key, session or password.",
        fix="Send `Authorization: Bearer <API key>`; `modelyard keys create` makes one.",
    )


def _caller(row: UserRow | None) -> Caller:
    if row is None:
        raise refused()
    return Caller(row.id, row.name, Role(row.role))


def user_named(session: Session, name: str) -> UserRow:
    row = _named(session, name)
    if row is None:
        raise UnknownUser(f"There is no user '{name[:100]}'.", fix="See `modelyard users list`.")
    return row


def _named(session: Session, name: str) -> UserRow | None:
    if not _USER.fullmatch(name):  # PostgreSQL rejects some characters, such as NUL
        return None
    return session.scalar(select(UserRow).where(UserRow.name == name))


def _hash(password: str | None) -> str | None:
    if password is None:
        return None
    from modelyard.registry.identity.passwords import hash_password

    return hash_password(password)


def _new_key(session: Session, user: UserRow, name: str, expires: datetime | None) -> str:
    if not (name.strip() and name.isprintable()):
        raise InvalidName(
            "The name of a key is empty, or has characters that cannot be seen.",
            fix="Leave out control characters, such as those that steer terminals.",
        )
    key = f"my_{secrets.token_urlsafe(32)}"
    session.add(
        ApiKeyRow(
            user_id=user.id, name=name, sha256=digest(key), prefix=key[:11], expires_at=expires
        )
    )
    return key


def digest(key: str) -> str:
    """What is kept of a key instead of its text."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


__all__ = ["FIRST_ADMIN", "Identity", "internal_token", "refused", "secret_key"]
