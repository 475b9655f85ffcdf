"""Forgets jobs that ended long ago, with what was handed in and what came out."""

from datetime import timedelta

from sqlalchemy import delete, select

from modelyard.registry.database import Database, utc_now
from modelyard.registry.jobs.tables import JobRow

AT_ONCE = 1000


def forget(db: Database, kept: timedelta) -> int:
    """Remove up to AT_ONCE jobs that ended longer ago than `kept`; returns how many they were."""
    with db.begin() as session:
        old = select(JobRow.id).where(JobRow.ended_at < utc_now() - kept)
        some = old.order_by(JobRow.ended_at).limit(AT_ONCE).with_for_update(skip_locked=True)
        gone = delete(JobRow).where(JobRow.id.in_(some)).returning(JobRow.id)
        return len(session.scalars(gone.execution_options(synchronize_session=False)).all())
