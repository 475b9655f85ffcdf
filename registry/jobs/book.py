"""What is known of jobs: one, many, their results, and their places in the queue."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from modelyard.registry.database import Database, UtcDateTime
from modelyard.registry.jobs.backlog import OpenJobs, open_jobs
from modelyard.registry.jobs.errors import UnknownJob
from modelyard.registry.jobs.job import Job, JobStatus
from modelyard.registry.jobs.tables import (
    IS_HELD,
    IS_WAITING,
    JOB,
    JobBodyRow,
    JobResultRow,
    JobRow,
    jobs_of,
)

Cursor = tuple[datetime, str]
"""When the last job of a page was submitted, and its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs; what is None doesn't matter. Submitted in [since, until).

    `seen_by` is whoever they are of, or who handed them in; `is_tried` whether one was begun.
    """

    user_id: str | None = None
    seen_by: str | None = None
    is_tried: bool | None = None
    statuses: Collection[JobStatus] | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    batch_id: str | None = None
    device_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobBook:
    """Reads of the tables of jobs; all see one consistent state, and none waits for a writer."""

    db: Database

    def get(self, job_id: str, user_id: str | None = None) -> Job:
        """One job, of that user where one is named. Raises UnknownJob."""
        with self.db.read() as session:
            found = jobs_of(session, select(*JOB).where(JobRow.id == job_id))
        if not found or user_id not in {None, found[0].user_id}:
            raise UnknownJob(job_id)
        return found[0]

    def some(self, ids: Collection[str]) -> dict[str, Job]:
        """Those of these ids that are kept, by id."""
        with self.db.read() as session:
            found = jobs_of(session, select(*JOB).where(JobRow.id.in_(ids)))
        return {job.id: job for job in found}

    def body(self, job_id: str) -> bytes | None:
        """What was handed in, as JSON."""
        with self.db.read() as session:
            return session.scalar(select(JobBodyRow.body).where(JobBodyRow.job_id == job_id))

    def result(self, job_id: str) -> bytes | None:
        """What came out, as the engine sent it; None if there is none, or not yet."""
        return self.results([job_id]).get(job_id)

    def results(self, ids: Collection[str]) -> dict[str, bytes]:
        """The results there are of these jobs, by id."""
        wanted = select(JobResultRow.job_id, JobResultRow.body).where(JobResultRow.job_id.in_(ids))
        with self.db.read() as session:
            return {row.job_id: row.body for row in session.execute(wanted)}

    def list(self, wanted: JobFilter, after: Cursor | None, most: int) -> Sequence[Job]:
        """Up to `most` jobs, the newest first; `after` is the last one of the page before."""
        conditions = _conditions(wanted)
        if after is not None:
            conditions.append(
                tuple_(JobRow.submitted_at, JobRow.id)
                < tuple_(literal(after[0], UtcDateTime), literal(after[1]))
            )
        query = select(*JOB).where(*conditions)
        newest_first = query.order_by(JobRow.submitted_at.desc(), JobRow.id.desc()).limit(most)
        with self.db.read() as session:
            return jobs_of(session, newest_first)

    def of_batch(
        self, batch_id: str, statuses: Collection[JobStatus], after_place: int, most: int
    ) -> Sequence[Job]:
        """Jobs of a batch in the order of its lines, those after a line."""
        query = select(*JOB).where(
            JobRow.batch_id == batch_id,
            JobRow.status.in_(statuses),
            JobRow.place > after_place,
        )
        with self.db.read() as session:
            return jobs_of(session, query.order_by(JobRow.place).limit(most))

    def counts(self, wanted: JobFilter) -> Mapping[JobStatus, int]:
        """How many jobs are in each status; a status that none is in is left out."""
        query = select(JobRow.status, func.count()).where(*_conditions(wanted))
        with self.db.read() as session:
            found = session.execute(query.group_by(JobRow.status)).all()
        return {JobStatus(status): count for status, count in found}

    def at_work(self) -> Sequence[Job]:
        """Jobs that some process has running on a device, the oldest first."""
        held = select(*JOB).where(IS_HELD, JobRow.device_id.is_not(None))
        with self.db.read() as session:
            return jobs_of(session, held.order_by(JobRow.started_at))

    def open_jobs(self, user_id: str | None = None) -> Sequence[OpenJobs]:
        """What has not ended, by model and priority: of everybody, or of one user."""
        with self.db.read() as session:
            return open_jobs(session, user_id)

    def place_of(self, job: Job) -> int:
        """Its place among the waiting jobs of its model: 1 is next, 0 is not waiting.

        By priority and fair order as they are now; what waits long goes before its place.
        """
        with self.db.read() as session:
            own = session.execute(
                select(JobRow.rank, JobRow.deadline).where(IS_WAITING, JobRow.id == job.id)
            ).first()
            return 0 if own is None else 1 + _before(session, job, own.rank, own.deadline)


def _before(session: Session, job: Job, rank: float, deadline: datetime) -> int:
    earlier = or_(
        JobRow.rank < rank,
        and_(
            JobRow.rank == rank,
            tuple_(JobRow.deadline, JobRow.id)
            < tuple_(literal(deadline, UtcDateTime), literal(job.id)),
        ),
    )
    ahead = or_(JobRow.priority > job.priority, and_(JobRow.priority == job.priority, earlier))
    count = select(func.count()).select_from(JobRow)
    return session.scalar(count.where(IS_WAITING, JobRow.model == job.model, ahead)) or 0


def _conditions(wanted: JobFilter) -> list[Any]:
    equal = {
        JobRow.user_id: wanted.user_id,
        JobRow.model: wanted.model,
        JobRow.batch_id: wanted.batch_id,
        JobRow.device_id: wanted.device_id,
    }
    found: list[Any] = [column == value for column, value in equal.items() if value is not None]
    if wanted.seen_by is not None:
        found.append(or_(JobRow.user_id == wanted.seen_by, JobRow.asked_by == wanted.seen_by))
    if wanted.is_tried is not None:
        found.append(JobRow.attempts > 0 if wanted.is_tried else JobRow.attempts == 0)
    if wanted.statuses is not None:
        found.append(JobRow.status.in_(wanted.statuses))
    if wanted.since is not None:
        found.append(JobRow.submitted_at >= wanted.since)
    if wanted.until is not None:
        found.append(JobRow.submitted_at < wanted.until)
    return found
