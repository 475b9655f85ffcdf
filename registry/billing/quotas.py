"""The table of user quotas, and the number of requests counted against each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from modelyard.registry.billing.quota import Quota, QuotaChange
from modelyard.registry.billing.tables import UserQuotaRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import UnknownUser
from modelyard.registry.identity.tables import UserRow

AT_ONCE = 500
"""Maximum number of users in one query."""


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
