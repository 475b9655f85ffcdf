"""Batches as their users see them: one, a page of them, and the one that a file comes from."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import BatchStatus, JobBatch, LineError, unknown_batch
from modelyard.registry.batches.counting import counted
from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.database import Database, UtcDateTime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFilter:
    """Which batches; what is None doesn't matter.

    `seen_by` is whoever they are of, or who handed them in.
    """

    user_id: str | None = None
    seen_by: str | None = None


@dataclass(frozen=True, slots=True)
class BatchBook:
    """Reads the table of batches; another user's batch is answered as one that is not there."""

    db: Database

    def get(self, batch_id: str, user_id: str) -> JobBatch:
        """A batch of this user, of either API; raises UnknownBatch."""
        with self.db.read() as session:
            row = session.get(BatchRow, batch_id)
            if row is None or row.user_id != user_id:
                raise unknown_batch(batch_id)
            return _batches(session, [row])[0]

    def known(self, batch_id: str) -> JobBatch | None:
        """Whosever batch has this id."""
        with self.db.read() as session:
            row = session.get(BatchRow, batch_id)
            return _batches(session, [row])[0] if row else None

    def list(self, user_id: str, after: str | None, most: int) -> list[JobBatch]:
        """A page of the user's batches of files, newest first; raises UnknownBatch for `after`."""
        where: list[ColumnElement[bool]] = [
            BatchRow.user_id == user_id,
            BatchRow.input_file_id.is_not(None),
        ]
        if after is not None:
            last = self.get(after, user_id)
            at = tuple_(literal(last.created_at, UtcDateTime), literal(last.id))
            where.append(tuple_(BatchRow.created_at, BatchRow.id) < at)
        query = select(BatchRow).where(*where)
        query = query.order_by(BatchRow.created_at.desc(), BatchRow.id.desc()).limit(most)
        with self.db.read() as session:
            return _batches(session, [*session.scalars(query)])

    def page(
        self, wanted: BatchFilter, after: tuple[datetime, str] | None, most: int
    ) -> "list[JobBatch]":
        """Up to `most` of either API, newest first, after the one of this time and id."""
        key = tuple_(BatchRow.created_at, BatchRow.id)
        query = select(BatchRow)
        if wanted.user_id is not None:
            query = query.where(BatchRow.user_id == wanted.user_id)
        if wanted.seen_by is not None:
            mine = (BatchRow.user_id == wanted.seen_by) | (BatchRow.asked_by == wanted.seen_by)
            query = query.where(mine)
        if after is not None:
            query = query.where(key < tuple_(literal(after[0], UtcDateTime), literal(after[1])))
        newest = query.order_by(BatchRow.created_at.desc(), BatchRow.id.desc()).limit(most)
        with self.db.read() as session:
            return _batches(session, [*session.scalars(newest)])

    def writing(self, file_id: str, user_id: str) -> JobBatch | None:
        """The user's batch that is yet to end and has this file of answers or errors."""
        names = or_(BatchRow.output_file_id == file_id, BatchRow.error_file_id == file_id)
        mine = select(BatchRow).where(BatchRow.user_id == user_id, names)
        with self.db.read() as session:
            found = _batches(session, [*session.scalars(mine)])
        return next((batch for batch in found if not batch.status.is_end), None)


def batch_of(session: Session, row: BatchRow) -> JobBatch:
    """The row with its counts as this transaction sees them."""
    return _batches(session, [row])[0]


def _batches(session: Session, rows: "list[BatchRow]") -> "list[JobBatch]":
    numbers = counted(session, rows)
    return [
        JobBatch(
            id=row.id,
            user_id=row.user_id,
            asked_by=row.asked_by,
            status=BatchStatus(row.status),
            endpoint=row.endpoint,
            model=row.model,
            digest=row.digest,
            completion_window=row.completion_window,
            input_file_id=row.input_file_id,
            output_file_id=row.output_file_id,
            error_file_id=row.error_file_id,
            errors=[LineError(**error) for error in row.errors],
            metadata=row.about.get("metadata"),
            callback_url=row.callback_url,
            fence=row.fence,
            created_at=row.created_at,
            expires_at=row.expires_at,
            in_progress_at=row.in_progress_at,
            finalizing_at=row.finalizing_at,
            completed_at=row.completed_at,
            failed_at=row.failed_at,
            expired_at=row.expired_at,
            cancelling_at=row.cancelling_at,
            cancelled_at=row.cancelled_at,
            counts=numbers[row.id][0],
            error_codes=numbers[row.id][1],
        )
        for row in rows
    ]
