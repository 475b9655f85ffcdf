"""Writes new jobs down: all or none, each id once, and with a place that is fair among users."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from modelyard.registry.jobs.errors import JobIdTaken
from modelyard.registry.jobs.job import Job, JobStatus, NewJob
from modelyard.registry.jobs.notices import QUEUED, tell
from modelyard.registry.jobs.tables import JOB, JobBodyRow, JobRow, jobs_of
from modelyard.registry.jobs.turns.ranks import Ranks
from modelyard.registry.jobs.wake_up import announce

AT_ONCE = 500
"""Rows that one statement reads or writes."""


def known(session: Session, jobs: Sequence[NewJob]) -> dict[str, Job]:
    """Those that were written down before, by id; raises JobIdTaken where one was another."""
    found = dict[str, Job]()
    for some in _parts(jobs):
        same = select(*JOB).where(JobRow.id.in_([job.id for job in some]))
        found |= {job.id: job for job in jobs_of(session, same)}
    for job in jobs:
        there = found.get(job.id)
        if there and (there.digest, there.user_id) != (job.digest, job.user_id):
            raise JobIdTaken(job.id)
    return found


def distinct(jobs: Sequence[NewJob]) -> list[NewJob]:
    """Each id once; raises JobIdTaken where one stands for two."""
    first = dict[str, NewJob]()
    for job in jobs:
        if first.setdefault(job.id, job).digest != job.digest:
            raise JobIdTaken(job.id)
    return list(first.values())


def enter(session: Session, jobs: Sequence[NewJob], now: datetime) -> dict[str, Job]:
    """Write new jobs; those that another transaction wrote meanwhile are as it wrote them.

    Raises JobIdTaken.
    """
    ranks = Ranks(session, now)
    entered = dict[str, Job]()
    for some in _parts(jobs):
        rows = [_row(job, ranks.next(job), now) for job in some]
        mine = set(session.scalars(_insert(session), rows))
        bodies = [{"job_id": job.id, "body": job.body} for job in some if job.id in mine]
        if bodies:
            together = insert(JobBodyRow).returning(JobBodyRow.job_id)
            session.execute(together, bodies)
        entered |= {row["id"]: _job(row) for row in rows if row["id"] in mine}
        entered |= known(session, [job for job in some if job.id not in mine])
    tell(session, QUEUED, [job for job in entered.values() if job.submitted_at == now])
    announce(session)
    return entered


def _parts(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    for first in range(0, len(jobs), AT_ONCE):
        yield jobs[first : first + AT_ONCE]


def _insert(session: Session) -> Any:
    """Of rows whose ids are there, the new ones alone are written; the answer is their ids."""
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # it brings PostgreSQL's library along

        return postgresql.insert(JobRow).on_conflict_do_nothing().returning(JobRow.id)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(JobRow).on_conflict_do_nothing().returning(JobRow.id)


def _row(job: NewJob, rank: float, now: datetime) -> dict[str, Any]:
    return {
        "id": job.id,
        "user_id": job.user_id,
        "asked_by": job.asked_by,
        "model": job.model,
        "type": job.type,
        "path": job.path,
        "priority": job.priority,
        "status": JobStatus.QUEUED,
        "rank": rank,
        "digest": job.digest,
        "prompt_tokens": job.prompt_tokens,
        "output_tokens": job.output_tokens,
        "resources": dict(job.resources),
        "submitted_at": now,
        "deadline": now + timedelta(seconds=job.timeout_s),
        "eligible_at": now,
        "attempts": 0,
        "lapses": 0,
        "fence": 0,
        "is_cancel_asked": False,
        "progress": 0.0,
        "callback_url": job.callback_url,
        "batch_id": job.batch_id,
        "place": job.place,
        "custom_id": job.custom_id,
    }


_NOT_YET = dict.fromkeys(
    (
        "started_at",
        "ended_at",
        "claimer",
        "lease_until",
        "version",
        "device_id",
        "result_status",
        "error_code",
        "error",
        "run_id",
    )
)


def _job(row: dict[str, Any]) -> Job:
    return Job(**{name: value for name, value in row.items() if name != "rank"}, **_NOT_YET)
