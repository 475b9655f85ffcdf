"""Addresses that callbacks fail at: switched off after 410 or days of failure, and on again."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelyard.registry.callbacks.tables import CallbackAddressRow
from modelyard.registry.database import Database
from modelyard.registry.errors import UnknownCallback

FAILING = timedelta(days=5)
"""So long an address may fail, each time, until it is switched off."""

PAUSE = timedelta(days=2)
"""So long after its last failure an address begins anew: nobody has heard of it meanwhile."""

MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class FailingAddress:
    """An address, which is a URL without its query, and since when it fails.

    `disabled_at` is when it was switched off, and `reason` why.
    """

    url: str
    user_id: str
    failing_since: datetime
    disabled_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class CallbackAddresses:
    """The table of addresses that fail; one that takes its callbacks has no row."""

    db: Database

    def failing(self, user_id: str | None = None) -> list[FailingAddress]:
        """A user's, or everybody's; those that have failed for longest first."""
        query = select(CallbackAddressRow).order_by(CallbackAddressRow.failing_since)
        if user_id is not None:
            query = query.where(CallbackAddressRow.user_id == user_id)
        with self.db.read() as session:
            return [_address(row) for row in session.scalars(query.limit(MOST_LISTED))]

    def enable(self, user_id: str, url: str) -> None:
        """Switch an address on again; raises UnknownCallback where it was not off."""
        gone = delete(CallbackAddressRow).where(
            CallbackAddressRow.key == key_of(user_id, url),
            CallbackAddressRow.disabled_at.is_not(None),
        )
        with self.db.begin() as session:
            if session.scalar(gone.returning(CallbackAddressRow.key)) is None:
                raise UnknownCallback(
                    "There is no such address that is switched off.",
                    fix="See GET /api/v1/callbacks/addresses.",
                )


def address_of(url: str) -> str:
    """What of a URL is switched off together: all but its query, which may differ each time."""
    return url.partition("?")[0]


def key_of(user_id: str, url: str) -> str:
    return hashlib.sha256(f"{user_id}\n{address_of(url)}".encode()).hexdigest()


def is_off(session: Session, user_id: str, url: str) -> bool:
    row = session.get(CallbackAddressRow, key_of(user_id, url))
    return row is not None and row.disabled_at is not None


def worked(session: Session, user_id: str, url: str) -> None:
    """An address took a callback: it is forgotten that it has failed."""
    session.execute(
        delete(CallbackAddressRow).where(
            CallbackAddressRow.key == key_of(user_id, url), CallbackAddressRow.disabled_at.is_(None)
        )
    )


def failed(session: Session, user_id: str, url: str, now: datetime, *, is_gone: bool) -> None:
    """An address took none; `is_gone` says that it wants no more."""
    row = _row(session, user_id, url, now)
    if now - row.failed_at > PAUSE:
        row.failing_since = now
    row.failed_at = now
    if row.disabled_at is None and (is_gone or now - row.failing_since >= FAILING):
        row.disabled_at = now
        row.reason = "It answered 410." if is_gone else f"It failed for {FAILING.days} days."


def _row(session: Session, user_id: str, url: str, now: datetime) -> CallbackAddressRow:
    key = key_of(user_id, url)
    row = session.get(CallbackAddressRow, key, with_for_update=True)
    if row is not None:
        return row
    new = CallbackAddressRow(
        key=key, user_id=user_id, url=address_of(url), failing_since=now, failed_at=now
    )
    try:
        with session.begin_nested():
            session.add(new)
    except IntegrityError:  # another process has just written it
        return session.get_one(CallbackAddressRow, key, with_for_update=True)
    return new


def _address(row: CallbackAddressRow) -> FailingAddress:
    return FailingAddress(row.url, row.user_id, row.failing_since, row.disabled_at, row.reason)
