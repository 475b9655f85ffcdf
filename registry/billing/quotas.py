"""User quotas, and the number of requests counted against each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from modelyard.registry.billing.tables import UserQuotaRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import UnknownUser
from modelyard.registry.identity.tables import UserRow

HIGHEST_PRIORITY = 5
AT_ONCE = 500
"""Maximum number of users in one query."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A user's quota; a limit of 0 means unlimited, and no limit applies after `expiration_time`.

    `gpu_limit` is the number of devices on which the user may have requests at the same moment;
    `priority_limit` is the highest priority the user may ask for. Check limits against the result
    of `in_force`. Setting the count starts a new `period`: requests admitted in an earlier period
    but booked later do not count in the new one.
    """

    user_id: str
    gpu_limit: int = 0
    request_limit: int = 0
    request_count: int = 0
    priority_limit: int = HIGHEST_PRIORITY
    expiration_time: datetime | None = None
    period: int = 0

    def in_force(self) -> "Quota":
        """The quota in force at this moment: without limits once it has expired."""
        if self.expiration_time is None or utc_now() < self.expiration_time:
            return self
        return Quota(self.user_id, request_count=self.request_count, period=self.period)


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """New limits set by an admin; a `request_count` of None leaves the count unchanged."""

    gpu_limit: int
    request_limit: int
    priority_limit: int
    expiration_time: datetime | None
    request_count: int | None = None


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quota table; a user without a row has no limits."""

    db: Database

    def find(self, user_id: str) -> Quota:
        with self.db.read() as session:
            row = session.get(UserQuotaRow, user_id)
        return Quota(user_id) if row is None else _quota(row)

    def find_all(self, user_ids: Collection[str]) -> list[Quota]:
        """The quotas of those users that have a row."""
        found: list[Quota] = []
        with self.db.read() as session:
            ids = list(user_ids)
            for first in range(0, len(ids), AT_ONCE):
                some = ids[first : first + AT_ONCE]
                rows = session.scalars(select(UserQuotaRow).where(UserQuotaRow.user_id.in_(some)))
                found += map(_quota, rows)
        return found

    def changed_since(self, instant: datetime) -> list[str]:
        """Ids of users whose quotas an admin set after `instant`; `book` does not count."""
        changed = select(UserQuotaRow.user_id).where(UserQuotaRow.changed_at > instant)
        with self.db.read() as session:
            return list(session.scalars(changed))

    def check_user(self, user_id: str) -> None:
        """Raise UnknownUser if no user has this id."""
        with self.db.read() as session:
            _check(session, user_id)

    def named(self, name: str) -> str:
        """The id of the user with this name; raises UnknownUser."""
        with self.db.read() as session:
            user_id = session.scalar(select(UserRow.id).where(UserRow.name == name))
        if user_id is None:
            raise UnknownUser(
                f"There is no user '{name[:100]}'.", fix="See `modelyard users list`."
            )
        return user_id

    def set(self, user_id: str, change: QuotaChange) -> Quota:
        """Set a user's limits; raises UnknownUser."""
        with self.db.begin() as session:
            _check(session, user_id)
            row = session.get(UserQuotaRow, user_id, with_for_update=True)
            if row is None:
                row = UserQuotaRow(user_id=user_id, request_count=0, period=0)
                session.add(row)
            row.gpu_limit = change.gpu_limit
            row.request_limit = change.request_limit
            row.priority_limit = change.priority_limit
            row.changed_at = utc_now()
            row.expiration_time = change.expiration_time
            if change.request_count is not None:
                row.request_count = change.request_count
                row.period += 1
            return _quota(row)

    def book(self, counts: Mapping[tuple[str, int], int]) -> None:
        """Add to the counts by user and period; a count for a period that has ended is dropped.

        Rows are updated in order of user id, so that gateways booking the same users cannot
        deadlock.
        """
        with self.db.begin() as session:
            for (user_id, period), count in sorted(counts.items()):
                session.execute(
                    update(UserQuotaRow)
                    .where(UserQuotaRow.user_id == user_id, UserQuotaRow.period == period)
                    .values(request_count=UserQuotaRow.request_count + count),
                    execution_options={"synchronize_session": False},
                )


def _check(session: Session, user_id: str) -> None:
    if session.get(UserRow, user_id) is None:
        raise UnknownUser(f"There is no user of id '{user_id[:100]}'.")


def _quota(row: UserQuotaRow) -> Quota:
    return Quota(
        row.user_id,
        row.gpu_limit,
        row.request_limit,
        row.request_count,
        row.priority_limit,
        row.expiration_time and row.expiration_time.astimezone(UTC),
        row.period,
    )
