"""Writes new batches down, and takes back those that their users no longer want."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import (
    BATCH_ENDS,
    BatchEnded,
    BatchIdTaken,
    BatchStatus,
    JobBatch,
    NewBatch,
    TooManyBatches,
    unknown_batch,
)
from modelyard.registry.batches.batch_book import batch_of
from modelyard.registry.batches.notices import STARTED, batch_notice
from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.files.tables import UserFileRow
from modelyard.registry.files.user_file import unknown_file
from modelyard.registry.identity.tables import UserRow
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.notices.publishing import publish

MOST_LIVE = 100
"""Batches of one user that may be on their way at the same moment."""


@dataclass(frozen=True, slots=True)
class Batches:
    """What users ask of the table of batches."""

    db: Database
    most_live: int = MOST_LIVE
    now: Callable[[], datetime] = utc_now

    def create(self, new: NewBatch) -> JobBatch:
        """A batch of a file, to be validated; raises UnknownFile and TooManyBatches."""
        with self.db.begin() as session:
            self._check_room(session, new.user_id)
            file = select(UserFileRow.user_id).where(UserFileRow.id == new.input_file_id)
            if session.scalar(file.with_for_update()) != new.user_id:
                raise unknown_file(new.input_file_id or "")
            row = _row(new, BatchStatus.VALIDATING)
            session.add(row)
            session.flush()
            return batch_of(session, row)

    def submit(self, new: NewBatch, total: int, submit: Callable[[Session], None]) -> JobBatch:
        """A batch of our own API, whose `total` jobs `submit` writes in the same transaction.

        The same id and digest again gives the batch there is; raises BatchIdTaken, TooManyBatches,
        and what `submit` raises: then nothing was written.
        """
        try:
            return self._submit(new, total, submit)
        except IntegrityError:  # the same batch at the same moment
            return self._submit(new, total, submit)

    def _submit(self, new: NewBatch, total: int, submit: Callable[[Session], None]) -> JobBatch:
        with self.db.begin() as session:
            there = session.get(BatchRow, new.id)
            if there is not None:
                return _same(session, there, new)
            self._check_room(session, new.user_id)
            row = _row(new, BatchStatus.IN_PROGRESS)
            row.total = total
            row.in_progress_at = new.created_at
            session.add(row)
            session.flush()
            submit(session)
            batch = batch_of(session, row)
            publish(session, [batch_notice(STARTED, batch)])
            return batch

    def cancel(self, batch_id: str, user_id: str) -> JobBatch:
        """Begin to cancel: all of its jobs end at once; raises UnknownBatch and BatchEnded.

        It is cancelled itself as soon as the files of what was done are written. What a killed
        process leaves of its jobs, `BatchStates.cancel_left` ends.
        """
        with self.db.begin() as session:
            now = self.now()
            row = session.get(BatchRow, batch_id, with_for_update=True)
            if row is None or row.user_id != user_id:
                raise unknown_batch(batch_id)
            status = BatchStatus(row.status)
            if status is BatchStatus.FINALIZING or status.is_end:
                raise BatchEnded(
                    f"The batch '{batch_id}' is {status}.", fix="Nothing is left to cancel."
                )
            if status is not BatchStatus.CANCELLING:
                row.status = BatchStatus.CANCELLING
                row.cancelling_at = now
                row.fence += 1
                row.lease_until = None
        JobQueue(self.db, now=self.now).cancel_batch(batch_id)
        with self.db.read() as session:
            return batch_of(session, session.get_one(BatchRow, batch_id))

    def stop(self, user_id: str) -> None:
        """Take all of a user's from whoever works on them, so that none gets jobs any more."""
        cancelling = {"status": BatchStatus.CANCELLING, "cancelling_at": self.now()}
        lost = {"fence": BatchRow.fence + 1, "lease_until": None}
        with self.db.begin() as session:
            session.execute(update(BatchRow).where(_live(user_id)).values(**cancelling, **lost))

    def _check_room(self, session: Session, user_id: str) -> None:
        session.execute(select(UserRow.id).where(UserRow.id == user_id).with_for_update())
        if (session.scalar(select(func.count()).where(_live(user_id))) or 0) >= self.most_live:
            raise TooManyBatches(
                f"{self.most_live} of your batches are on their way, as many as may be.",
                fix="Wait until one has ended, or cancel one.",
            )


def _live(user_id: str) -> ColumnElement[bool]:
    return and_(BatchRow.user_id == user_id, BatchRow.status.not_in(BATCH_ENDS))


def _same(session: Session, row: BatchRow, new: NewBatch) -> JobBatch:
    if row.digest != new.digest or row.user_id != new.user_id:
        raise BatchIdTaken(
            f"batch_id: '{new.id}' was used for another batch.",
            fix="Repeat a batch with exactly the same fields, or leave its id out.",
        )
    return batch_of(session, row)


def _row(new: NewBatch, status: BatchStatus) -> BatchRow:
    return BatchRow(
        id=new.id,
        user_id=new.user_id,
        asked_by=new.asked_by,
        status=status,
        endpoint=new.endpoint,
        model=new.model,
        digest=new.digest,
        completion_window=new.completion_window,
        input_file_id=new.input_file_id,
        callback_url=new.callback_url,
        about=dict(new.about),
        errors=[],
        total=0,
        fence=0,
        created_at=new.created_at,
        expires_at=new.expires_at,
    )
