"""What each user may use: the quotas, and how many requests have been counted against them."""

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
"""Users in one query."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A user's quota; a limit of 0 is none, and past `expiration_time` nothing is limited.

    `gpu_limit`: on how many devices the user may have work at the same moment; `priority_limit`:
    the highest that the user may ask for. What `in_force` gives is to be asked for limits.
    Every setting of the count begins a new `period`: what was let in before it, and is booked
    after it, does not count in it.
    """

    user_id: str
    gpu_limit: int = 0
    request_limit: int = 0
    request_count: int = 0
    priority_limit: int = HIGHEST_PRIORITY
    expiration_time: datetime | None = None
    period: int = 0

    def in_force(self) -> "Quota":
        """As it counts at this moment."""
        if self.expiration_time is None or utc_now() < self.expiration_time:
            return self
        return Quota(self.user_id, request_count=self.request_count, period=self.period)


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """What an admin sets; a count of None goes on as it is."""

    gpu_limit: int
    request_limit: int
    priority_limit: int
    expiration_time: datetime | None
    request_count: int | None = None


@dataclass(frozen=True, slots=True)
class Quotas:
    """The table of quotas; a user without a row has one without limits."""

    db: Database

    def find(self, user_id: str) -> Quota:
        with self.db.read() as session:
            row = session.get(UserQuotaRow, user_id)
        return Quota(user_id) if row is None else _quota(row)

    def find_all(self, user_ids: Collection[str]) -> list[Quota]:
        """Those of the users that have a row."""
        found: list[Quota] = []
        with self.db.read() as session:
            ids = list(user_ids)
            for first in range(0, len(ids), AT_ONCE):
                some = ids[first : first + AT_ONCE]
                rows = session.scalars(select(UserQuotaRow).where(UserQuotaRow.user_id.in_(some)))
                found += map(_quota, rows)
        return found

    def changed_since(self, instant: datetime) -> list[str]:
        """The users whose quotas were set after an instant; counting is no change."""
        changed = select(UserQuotaRow.user_id).where(UserQuotaRow.changed_at > instant)
        with self.db.read() as session:
            return list(session.scalars(changed))

    def check_user(self, user_id: str) -> None:
        """Raises UnknownUser for an id from outside that is nobody's."""
        with self.db.read() as session:
            _check(session, user_id)

    def named(self, name: str) -> str:
        """The id of the user of that name; raises UnknownUser."""
        with self.db.read() as session:
            user_id = session.scalar(select(UserRow.id).where(UserRow.name == name))
        if user_id is None:
            raise UnknownUser(
                f"There is no user '{name[:100]}'.", fix="See `modelyard users list`."
            )
        return user_id

    def set(self, user_id: str, change: QuotaChange) -> Quota:
        """Raises UnknownUser."""
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
        """Add to the counts, by user and period; a period that is over gets nothing more.

        In the order of users: gateways that book the same ones never wait in a ring.
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
