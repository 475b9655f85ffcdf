"""Forgets batches that ended long ago; their files have an end of their own."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func

from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.database import Database

_ENDED_AT = func.coalesce(
    BatchRow.completed_at, BatchRow.failed_at, BatchRow.expired_at, BatchRow.cancelled_at
)


@dataclass(frozen=True, slots=True)
class BatchForgetting:
    """Removes the rows of ended batches."""

    db: Database

    def forget(self, before: datetime) -> int:
        """Remove those that ended before this time; returns how many there were."""
        gone = delete(BatchRow).where(before > _ENDED_AT).returning(BatchRow.id)
        with self.db.begin() as session:
            return len(session.scalars(gone).all())
