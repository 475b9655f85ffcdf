"""Forgets callbacks that have ended long ago, and addresses that have not failed for long."""

from datetime import timedelta

from sqlalchemy import delete, select

from modelyard.registry.callbacks.tables import CallbackAddressRow, CallbackRow
from modelyard.registry.database import Database, utc_now

AT_ONCE = 500


def forget_callbacks(db: Database, days: float) -> int:
    """Remove what has ended `days` ago, with its tries; returns how many callbacks that were.

    A transaction removes AT_ONCE, so that nobody waits for long.
    """
    before = utc_now() - timedelta(days=days)
    ended = select(CallbackRow.id).where(CallbackRow.ended_at < before).limit(AT_ONCE)
    forgotten = 0
    while True:
        with db.begin() as session:
            gone = delete(CallbackRow).where(CallbackRow.id.in_(ended)).returning(CallbackRow.id)
            some = len(session.scalars(gone).all())
            quiet = CallbackAddressRow.failed_at < before
            on = CallbackAddressRow.disabled_at.is_(None)
            session.execute(delete(CallbackAddressRow).where(quiet & on))
        forgotten += some
        if some < AT_ONCE:
            return forgotten
