"""Tables of jobs, and beside them their bodies and results, which no queue scan touches."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Executable,
    ForeignKey,
    Index,
    LargeBinary,
    Row,
    String,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from modelyard.registry.database import Base, UtcDateTime
from modelyard.registry.jobs.job import Job, JobStatus, JobType

IS_WAITING = text("jobs.status = 'queued'")
"""Said as text: an index of a part of the table is used where the statement says the same."""

IS_HELD = text("jobs.status = 'processing'")
IS_OPEN = text("jobs.ended_at IS NULL")


def _partial(name: str, where: str, *columns: str) -> Index:
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


class JobRow(Base):
    """A job; `modelyard.registry.jobs.job.Job` describes the columns."""

    __tablename__ = "jobs"
    __table_args__ = (
        _partial("jobs_by_turn", "status = 'queued'", "model", "priority", "rank", "deadline"),
        _partial("jobs_by_age", "status = 'queued'", "model", "priority", "submitted_at", "rank"),
        _partial("jobs_by_waiter", "status = 'queued'", "user_id", "model", "priority", "rank"),
        _partial("jobs_by_lease", "status = 'processing'", "lease_until"),
        _partial("jobs_by_deadline", "ended_at IS NULL", "deadline"),
        _partial("jobs_by_batch", "batch_id IS NOT NULL", "batch_id", "status", "place"),
        Index("jobs_by_user", "user_id", "submitted_at", "id"),
        Index("jobs_by_time", "submitted_at", "id"),
        Index("jobs_by_end", "ended_at"),
    )
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(36))
    asked_by: Mapped[str] = mapped_column(String(36))
    model: Mapped[str] = mapped_column(String(300))
    type: Mapped[str] = mapped_column(String(20))
    path: Mapped[str] = mapped_column(String(100))
    priority: Mapped[int]
    status: Mapped[str] = mapped_column(String(20))
    rank: Mapped[float]
    digest: Mapped[str] = mapped_column(String(64))
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    resources: Mapped[dict[str, Any]] = mapped_column(JSON)
    submitted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deadline: Mapped[datetime] = mapped_column(UtcDateTime)
    eligible_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    lapses: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    claimer: Mapped[str | None] = mapped_column(String(150))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_cancel_asked: Mapped[bool] = mapped_column(default=False)
    progress: Mapped[float] = mapped_column(default=0.0)
    version: Mapped[str | None] = mapped_column(String(300))
    device_id: Mapped[str | None] = mapped_column(String(100))
    result_status: Mapped[int | None]
    error_code: Mapped[str | None] = mapped_column(String(50))
    error: Mapped[str | None] = mapped_column(String(2000))
    callback_url: Mapped[str | None] = mapped_column(String(2048))
    batch_id: Mapped[str | None] = mapped_column(String(50))
    place: Mapped[int] = mapped_column(default=0)
    custom_id: Mapped[str | None] = mapped_column(String(512))
    run_id: Mapped[str | None] = mapped_column(String(36))


class JobBodyRow(Base):
    """What was handed in, as JSON."""

    __tablename__ = "job_bodies"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class JobResultRow(Base):
    """What came out: the engine's answer, as it was sent."""

    __tablename__ = "job_results"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


_NAMES = [one.name for one in fields(Job)]
JOB = [getattr(JobRow, name) for name in _NAMES]
"""The columns of a job, for `select(*JOB)` and `returning(*JOB)`."""


def job_of(row: Row[Any] | JobRow) -> Job:
    """The job of a whole row, or of one of the columns `JOB`."""
    found = {name: getattr(row, name) for name in _NAMES}
    found["type"] = JobType(found["type"])
    found["status"] = JobStatus(found["status"])
    return Job(**found)


def jobs_of(session: Session, statement: Executable) -> list[Job]:
    """The jobs that a `select(*JOB)` finds, or that an update with `returning(*JOB)` changed."""
    rows = session.execute(statement, execution_options={"synchronize_session": False})
    return [job_of(row) for row in rows]
