"""The ways of a batch from one state to the next, each one transaction under the batch's fence."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import BatchStatus, JobBatch, LineError
from modelyard.registry.batches.batch_book import batch_of
from modelyard.registry.batches.counting import kept
from modelyard.registry.batches.notices import ENDED, STARTED, batch_notice
from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.callbacks import outbox
from modelyard.registry.database import Database, utc_now
from modelyard.registry.files import file_book
from modelyard.registry.files.user_file import UserFile
from modelyard.registry.jobs.job import ENDS, JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.tables import JobRow
from modelyard.registry.notices.publishing import publish

S = BatchStatus
_LIVE_JOBS = (JobRow.batch_id == BatchRow.id, JobRow.status.in_(set(JobStatus) - ENDS))


@dataclass(frozen=True, slots=True)
class BatchStates:
    """Moves batches on; whoever works on one has taken it and holds its fence for `lease_s`.

    A process that is killed leaves its batch to whoever takes it once the lease has lapsed. What
    a process says whose fence is no longer the batch's changes nothing.
    """

    db: Database
    lease_s: float = 60.0
    now: Callable[[], datetime] = utc_now

    def take(self, statuses: Collection[BatchStatus]) -> JobBatch | None:
        """The oldest batch in one of these states to be worked on, now in the caller's hands.

        It is to be validated, or all of its jobs have ended.
        """
        with self.db.read() as session:
            now = self.now()
            row = session.scalar(_waiting(statuses, now))
        return None if row is None else self._take(row)

    def _take(self, seen: BatchRow) -> JobBatch | None:
        with self.db.begin() as session:
            now = self.now()
            mine = and_(
                BatchRow.id == seen.id,
                BatchRow.fence == seen.fence,
                BatchRow.status == seen.status,
                _is_free(now),
            )
            until = now + timedelta(seconds=self.lease_s)
            values = {"fence": seen.fence + 1, "lease_until": until}
            row = session.scalar(update(BatchRow).where(mine).values(values).returning(BatchRow))
            return None if row is None else batch_of(session, row)

    def cancel_left(self) -> int:
        """End what is left of the jobs of a batch that is being cancelled; returns how many."""
        left = select(BatchRow.id).where(
            BatchRow.status == S.CANCELLING, exists().where(*_LIVE_JOBS)
        )
        with self.db.read() as session:
            batch_id = session.scalar(left.limit(1))
        return 0 if batch_id is None else JobQueue(self.db, now=self.now).cancel_batch(batch_id)

    def extend(self, batch: JobBatch) -> bool:
        """Hold a batch for another `lease_s`; False if it is lost."""
        return self._lease(batch, self.lease_s)

    def put_off(self, batch: JobBatch, wait_s: float) -> bool:
        """Let nobody take the batch for so long; False if it is lost."""
        return self._lease(batch, wait_s)

    def _lease(self, batch: JobBatch, for_s: float) -> bool:
        with self.db.begin() as session:
            until = self.now() + timedelta(seconds=for_s)
            return _changed(session, batch, {"lease_until": until}) is not None

    def begin(
        self, batch: JobBatch, about: dict[str, Any], submit: Callable[[Session], None]
    ) -> bool:
        """From validating to in progress, with all of its jobs or none; False if it is lost.

        `about` are the columns that its file has told: `model` and `total`, and the ids that its
        own files will have. `submit` writes the jobs in the transaction it is given.
        """
        with self.db.begin() as session:
            now = self.now()
            values = about | {"status": S.IN_PROGRESS, "in_progress_at": now, "lease_until": None}
            row = _changed(session, batch, values)
            if row is None:
                return False
            submit(session)
            publish(session, [batch_notice(STARTED, batch_of(session, row))])
            return True

    def reject(self, batch: JobBatch, errors: Sequence[LineError]) -> bool:
        """From validating to failed: none of its jobs was ever there; False if it is lost."""
        told = {"errors": [asdict(error) for error in errors]}
        return self._end(batch, S.FAILED, [], told)

    def finalize(self, batch: JobBatch) -> JobBatch | None:
        """From in progress to finalizing; None if it is lost."""
        with self.db.begin() as session:
            now = self.now()
            values = {"status": S.FINALIZING, "finalizing_at": now}
            row = _changed(session, batch, values)
            return None if row is None else batch_of(session, row)

    def end(self, batch: JobBatch, status: BatchStatus, files: Collection[UserFile]) -> bool:
        """To an end, with the files of its answers; False if it is lost."""
        ids = {file.id for file in files}
        told = {
            name: file_id if file_id in ids else None
            for name, file_id in (
                ("output_file_id", batch.output_file_id),
                ("error_file_id", batch.error_file_id),
            )
        }
        return self._end(batch, status, files, told)

    def _end(
        self,
        batch: JobBatch,
        status: BatchStatus,
        files: Collection[UserFile],
        told: dict[str, Any],
    ) -> bool:
        with self.db.begin() as session:
            now = self.now()
            values = told | {"status": status, f"{status}_at": now, "lease_until": None}
            row = _changed(session, batch, values)
            if row is None:
                return False
            ended = batch_of(session, row)
            row.about = row.about | kept(ended.counts, dict(ended.error_codes))
            file_book.enter(session, files)
            call_back(session, ended)
            session.flush()
            publish(session, [batch_notice(ENDED, replace(ended, status=status))])
            return True


def _waiting(statuses: Collection[BatchStatus], now: datetime) -> Select[tuple[BatchRow]]:
    has_jobs = BatchRow.status.in_({S.IN_PROGRESS, S.CANCELLING})
    is_due = or_(~has_jobs, ~exists().where(*_LIVE_JOBS))
    mine = select(BatchRow).where(BatchRow.status.in_(statuses), is_due, _is_free(now))
    return mine.order_by(BatchRow.created_at).limit(1)


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(BatchRow.lease_until.is_(None), BatchRow.lease_until <= now)


def _changed(session: Session, batch: JobBatch, values: dict[str, Any]) -> BatchRow | None:
    """The row with its new values; None if the fence, or the status, is no longer `batch`'s."""
    mine = and_(
        BatchRow.id == batch.id, BatchRow.fence == batch.fence, BatchRow.status == batch.status
    )
    return session.scalar(update(BatchRow).where(mine).values(values).returning(BatchRow))


def call_back(session: Session, batch: JobBatch) -> None:
    """Have the end of a batch told to whoever gave a URL for it."""
    if batch.callback_url is None:
        return
    counts = batch.counts
    body = {
        "batch_id": batch.id,
        "user_id": batch.user_id,
        "status": batch.status,
        "submission_time": batch.created_at,
        "completion_time": batch.ended_at,
        "total": counts.total,
        "completed": counts.completed,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "errors": batch.error_codes,
    }
    outbox.enter(
        session,
        user_id=batch.asked_by,
        subject=batch.id,
        kind=f"batch.{batch.status}",
        url=batch.callback_url,
        body=body,
    )
