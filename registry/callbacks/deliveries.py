"""Callbacks that are due: claimed by one process for a while, and what came of each try."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from modelyard.registry.callbacks.addresses import failed, is_off, worked
from modelyard.registry.callbacks.backlog import CallbackBacklog, callback_backlog
from modelyard.registry.callbacks.forgetting import forget_callbacks
from modelyard.registry.callbacks.places import CallbackPlaces
from modelyard.registry.callbacks.schedule import AFTER, wait_after
from modelyard.registry.callbacks.state import CallbackState
from modelyard.registry.callbacks.tables import CallbackRow, CallbackTryRow
from modelyard.registry.database import Database, utc_now

GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackDelivery:
    """A callback in the hands of one process until its lease ends; a record of it names `fence`."""

    id: str
    user_id: str
    url: str
    host: str
    body: bytes
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TryOutcome:
    """One try: when it began, how long it took, the HTTP status or why there is none."""

    at: datetime
    duration_ms: float
    status: int | None = None
    error: str | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The outbox as those see it who send; `lease_s` is longer than a try takes.

    A try is made so long `after` the first one as its place there says; `now` replaces the clock.
    """

    db: Database
    lease_s: float = 20.0
    after: Sequence[timedelta] = AFTER
    now: Callable[[], datetime] | None = None

    def is_any_due(self, places: CallbackPlaces) -> bool:
        """Whether a claim would bring something; asks without holding up anybody who writes."""
        with self.db.read() as session:
            due = select(CallbackRow.id).where(_due(self._time(), places)).limit(1)
            return session.scalar(due) is not None

    def claim(self, most: int, places: CallbackPlaces) -> list[CallbackDelivery]:
        """Up to `most` that are due and have a place, of which one is taken for each.

        A process that is killed loses them with its lease, and another sends them again. Those to
        an address that is switched off end here.
        """
        now = self._time()
        due = select(CallbackRow).where(_due(now, places)).order_by(CallbackRow.due_at).limit(most)
        with self.db.begin() as session:
            rows = session.scalars(due.with_for_update(skip_locked=True)).all()
            return [
                self._claimed(row, now)
                for row in rows
                if not _ended(session, row, now) and places.take(row.host, row.user_id)
            ]

    def record(self, delivery: CallbackDelivery, outcome: TryOutcome) -> CallbackState | None:
        """Write down a try; gives the state that follows, None if the lease was lost meanwhile."""
        with self.db.begin() as session:
            row = session.get(CallbackRow, delivery.id, with_for_update=True)
            if row is None or row.fence != delivery.fence or row.state != CallbackState.WAITING:
                return None
            now = self._time()
            row.tries += 1
            session.add(_try(row, outcome))
            if outcome.is_success:
                worked(session, row.user_id, row.url)
                _end(row, CallbackState.DELIVERED, now)
            else:
                is_gone = outcome.status == GONE
                failed(session, row.user_id, row.url, now, is_gone=is_gone)
                wait = None if is_gone else wait_after(row.tries, self.after)
                _wait(row, wait, now)
            return CallbackState(row.state)

    def backlog(self) -> CallbackBacklog:
        """How much there is left to send, of everybody's."""
        return callback_backlog(self.db, self._time())

    def forget(self, days: float) -> int:
        """Remove what has ended so many days ago; returns how many callbacks that were."""
        return forget_callbacks(self.db, days)

    def _time(self) -> datetime:
        return self.now() if self.now else utc_now()

    def _claimed(self, row: CallbackRow, now: datetime) -> CallbackDelivery:
        row.fence += 1
        row.due_at = now + timedelta(seconds=self.lease_s)
        return CallbackDelivery(
            id=row.id,
            user_id=row.user_id,
            url=row.url,
            host=row.host,
            body=row.body,
            fence=row.fence,
        )


def _due(now: datetime, places: CallbackPlaces) -> ColumnElement[bool]:
    due = (CallbackRow.state == CallbackState.WAITING) & (CallbackRow.due_at <= now)
    if full := places.full_hosts:
        due &= CallbackRow.host.not_in(full)
    if full := places.full_users:
        due &= CallbackRow.user_id.not_in(full)
    return due


def _ended(session: Session, row: CallbackRow, now: datetime) -> bool:
    """Whether a callback ends before its next try, since its address is switched off."""
    if not is_off(session, row.user_id, row.url):
        return False
    _end(row, CallbackState.FAILED, now)
    return True


def _wait(row: CallbackRow, wait: timedelta | None, now: datetime) -> None:
    if wait is None:
        _end(row, CallbackState.FAILED, now)
    else:
        row.due_at = now + wait


def _end(row: CallbackRow, state: CallbackState, now: datetime) -> None:
    row.state = state
    row.ended_at = now


def _try(row: CallbackRow, outcome: TryOutcome) -> CallbackTryRow:
    return CallbackTryRow(
        callback_id=row.id,
        number=row.tries,
        at=outcome.at,
        duration_ms=outcome.duration_ms,
        status=outcome.status,
        error=outcome.error[:300] if outcome.error else None,
    )
