"""Users' signing secrets: shown once, replaced with an overlap of a day, sealed in the database."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from modelyard.registry.callbacks.sealing import Seal
from modelyard.registry.callbacks.tables import CallbackSecretRow
from modelyard.registry.database import Database, new_id, utc_now
from modelyard.registry.errors import TooManySecrets, UnknownCallback

OVERLAP = timedelta(hours=24)
"""So long the secret before still signs, beside its successor."""

MOST = 5
"""Secrets of one user that sign at the same time."""


@dataclass(frozen=True, slots=True)
class SecretView:
    """A secret without its text; `expires_at` where a newer one replaces it."""

    id: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class CallbackSecrets:
    """The table of secrets.

    Until a user has made one, callbacks are signed with one that nobody can read.
    """

    db: Database
    seal: Seal

    def of(self, user_id: str) -> list[SecretView]:
        """Those that sign now, the newest first."""
        with self.db.read() as session:
            return [_view(row) for row in self._living(session, user_id)]

    def make(self, user_id: str) -> tuple[SecretView, str]:
        """A new secret and its text, `whsec_…`; those before it end a day from now.

        Raises TooManySecrets.
        """
        text = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        secret_id = new_id()
        sealed = self.seal.close(text, _place(user_id, secret_id))
        now = utc_now()
        row = CallbackSecretRow(id=secret_id, user_id=user_id, secret=sealed, created_at=now)
        with self.db.begin() as session:
            session.execute(delete(CallbackSecretRow).where(_lapsed(now)))
            living = self._living(session, user_id)
            if len(living) >= MOST:
                raise TooManySecrets(
                    f"{MOST} signing secrets hold already.",
                    fix="End one with DELETE /api/v1/callbacks/secrets/{id}, or wait for a day.",
                )
            for older in living:
                older.expires_at = min(older.expires_at or now + OVERLAP, now + OVERLAP)
            session.add(row)
        return _view(row), text

    def end(self, user_id: str, secret_id: str) -> None:
        """End a secret at once; raises UnknownCallback."""
        mine = (CallbackSecretRow.id == secret_id) & (CallbackSecretRow.user_id == user_id)
        gone = delete(CallbackSecretRow).where(mine).returning(CallbackSecretRow.id)
        with self.db.begin() as session:
            if session.scalar(gone) is None:
                raise UnknownCallback(
                    f"There is no signing secret '{secret_id[:40]}'.",
                    fix="See GET /api/v1/callbacks/secrets.",
                )

    def signing(self, user_id: str) -> list[str]:
        """The texts of those that sign now, the newest first; raises SecretUnreadable."""
        with self.db.read() as session:
            rows = self._living(session, user_id)
        if not rows:
            return [self._unseen(user_id)]
        return [self.seal.open(row.secret, _place(user_id, row.id)) for row in rows]

    def _living(self, session: Session, user_id: str) -> list[CallbackSecretRow]:
        mine = (CallbackSecretRow.user_id == user_id) & ~_lapsed(utc_now())
        query = select(CallbackSecretRow).where(mine)
        newest_first = query.order_by(CallbackSecretRow.created_at.desc(), CallbackSecretRow.id)
        return [*session.scalars(newest_first)]

    def _unseen(self, user_id: str) -> str:
        key = hmac.digest(self.seal.key, user_id.encode(), hashlib.sha256)
        return f"whsec_{base64.b64encode(key).decode()}"


def _lapsed(now: datetime) -> ColumnElement[bool]:
    expires = CallbackSecretRow.expires_at
    return expires.is_not(None) & (expires <= now)


def _place(user_id: str, secret_id: str) -> str:
    return f"callback_secrets/{user_id}/{secret_id}"


def _view(row: CallbackSecretRow) -> SecretView:
    return SecretView(row.id, row.created_at, row.expires_at)
