"""Callbacks as people ask about them: what became of each, and once more from the start."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelyard.registry.callbacks.addresses import is_off
from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.callbacks.tables import CallbackRow, CallbackTryRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import AddressOff, UnknownCallback

MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class CallbackTry:
    """One try: the HTTP status of its answer, or why there was none."""

    number: int
    at: datetime
    duration_ms: float
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackView:
    """A callback and its tries, the first one first; `next_try_at` while it waits for one."""

    id: str
    user_id: str
    subject: str
    kind: str
    url: str
    state: CallbackState
    created_at: datetime
    ended_at: datetime | None
    next_try_at: datetime | None
    tries: list[CallbackTry]


@dataclass(frozen=True, slots=True)
class CallbackBook:
    """The table of callbacks."""

    db: Database

    def of_subject(self, subject: str) -> list[CallbackView]:
        """Those about one job or batch, the oldest first."""
        about = CallbackRow.subject == subject
        query = select(CallbackRow).where(about).order_by(CallbackRow.created_at, CallbackRow.id)
        with self.db.read() as session:
            rows = session.scalars(query.limit(MOST_LISTED)).all()
            return [_view(row, _tries(session, row.id)) for row in rows]

    def newest(self, user_id: str | None, subject: str = "", most: int = 100) -> list[CallbackView]:
        """The newest of a user's, or of everybody's; about one subject, or any."""
        query = select(CallbackRow).order_by(CallbackRow.created_at.desc(), CallbackRow.id)
        if user_id is not None:
            query = query.where(CallbackRow.user_id == user_id)
        if subject:
            query = query.where(CallbackRow.subject == subject)
        with self.db.read() as session:
            rows = session.scalars(query.limit(most)).all()
            return [_view(row, _tries(session, row.id)) for row in rows]

    def resend(self, callback_id: str) -> CallbackView:
        """Have a callback sent again now, with the same id; raises UnknownCallback, AddressOff."""
        with self.db.begin() as session:
            row = session.get(CallbackRow, callback_id, with_for_update=True)
            if row is None:
                raise UnknownCallback(
                    f"There is no callback '{callback_id[:50]}'.",
                    fix="See GET /api/v1/requests/{id}/callbacks.",
                )
            if is_off(session, row.user_id, row.url):
                raise AddressOff(
                    "The callback's address is switched off.",
                    fix="Switch it on with POST /api/v1/callbacks/addresses/enable.",
                )
            row.state = CallbackState.WAITING
            row.ended_at = None
            row.due_at = utc_now()
            return _view(row, _tries(session, row.id))


def _tries(session: Session, callback_id: str) -> Iterable[CallbackTryRow]:
    mine = select(CallbackTryRow).where(CallbackTryRow.callback_id == callback_id)
    return session.scalars(mine.order_by(CallbackTryRow.number))


def _view(row: CallbackRow, tries: Iterable[CallbackTryRow]) -> CallbackView:
    return CallbackView(
        id=row.id,
        user_id=row.user_id,
        subject=row.subject,
        kind=row.kind,
        url=row.url,
        state=CallbackState(row.state),
        created_at=row.created_at,
        ended_at=row.ended_at,
        next_try_at=row.due_at if row.state == CallbackState.WAITING else None,
        tries=[CallbackTry(t.number, t.at, t.duration_ms, t.status, t.error) for t in tries],
    )
