"""Ends jobs, each once: its row, result, notice and callback in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.orm import Session

from modelyard.registry.jobs.errors import JobEnded, UnknownJob
from modelyard.registry.jobs.job import Claim, Job, JobEnd, JobStatus
from modelyard.registry.jobs.limits import MOST_ATTEMPTS
from modelyard.registry.jobs.notices import ENDED, QUEUED, call_back, tell
from modelyard.registry.jobs.tables import IS_HELD, IS_OPEN, JOB, JobResultRow, JobRow, jobs_of
from modelyard.registry.jobs.wake_up import JobSignal, announce

MOST_AT_ONCE = 1000
MOST_OF_AN_ERROR = 2000


@dataclass(frozen=True, slots=True)
class JobEnding:
    """Changes of jobs that somebody holds, or that end, within one transaction."""

    session: Session
    now: datetime

    def finish(self, ends: Sequence[tuple[Claim, JobEnd]]) -> list[Job]:
        """The jobs that ended by this; one whose fence was lost is not among them."""
        end_of = {claim.job.id: end for claim, end in ends}
        held = self._lock([claim for claim, _ in ends])
        ended = [self._ended(job, end_of[job.id]) for job in held]
        results = {job.id: end_of[job.id].result for job in ended}
        self._write(ended)
        rows = [{"job_id": id_, "body": body} for id_, body in results.items() if body is not None]
        if rows:
            together = insert(JobResultRow).returning(JobResultRow.job_id)
            self.session.execute(together, rows)
        for job in ended:
            call_back(self.session, job, results[job.id])
        tell(self.session, ENDED, ended)
        return ended

    def give_back(self, claim: Claim, why: str, *, wait_s: float, is_attempt: bool) -> bool:
        if is_attempt and claim.job.attempts - claim.job.lapses >= MOST_ATTEMPTS:
            return bool(self.finish([(claim, exhausted(claim.job.attempts, why))]))
        later = {
            "attempts": JobRow.attempts - (0 if is_attempt else 1),
            "eligible_at": self.now + timedelta(seconds=wait_s),
        }
        mine = (IS_HELD, JobRow.id == claim.job.id, JobRow.fence == claim.fence)
        back = update(JobRow).where(*mine).values(**waiting_again() | later)
        queued = jobs_of(self.session, back.returning(*JOB))
        if queued:
            tell(self.session, QUEUED, queued)
            announce(self.session)
        return bool(queued)

    def cancel(self, where: Sequence[Any]) -> list[Job]:
        """End up to MOST_AT_ONCE that have not ended; whoever holds one of them has lost it."""
        open_ = select(*JOB).where(IS_OPEN, *where).order_by(JobRow.id).limit(MOST_AT_ONCE)
        cancelled = JobEnd(status=JobStatus.CANCELLED)
        ended = [
            replace(self._ended(job, cancelled), fence=job.fence + 1, is_cancel_asked=True)
            for job in jobs_of(self.session, open_.with_for_update())
        ]
        self._let_go(ended)
        announce(self.session, JobSignal.CANCELLED)
        return ended

    def cancel_one(self, job_id: str) -> Job:
        for job in self.cancel([JobRow.id == job_id]):
            return job
        status = self.session.scalar(select(JobRow.status).where(JobRow.id == job_id))
        if status is None:
            raise UnknownJob(job_id)
        raise JobEnded(job_id, status)

    def fail(self, jobs: Sequence[Job], code: str, error: str) -> list[Job]:
        """Fail jobs whose rows this transaction has locked; whoever holds one has lost it."""
        end = JobEnd(status=JobStatus.FAILED, error_code=code, error=error)
        failed = [replace(self._ended(job, end), fence=job.fence + 1) for job in jobs]
        self._let_go(failed)
        return failed

    def _let_go(self, ended: Sequence[Job]) -> None:
        self._write(ended)
        for job in ended:
            call_back(self.session, job, None)
        tell(self.session, ENDED, ended)

    def _lock(self, claims: Sequence[Claim]) -> list[Job]:
        """The jobs of those claims that still hold; nobody else can end them meanwhile."""
        pairs = tuple_(JobRow.id, JobRow.fence).in_([(one.job.id, one.fence) for one in claims])
        held = select(*JOB).where(IS_HELD, pairs)
        return jobs_of(self.session, held.order_by(JobRow.id).with_for_update())

    def _ended(self, job: Job, end: JobEnd) -> Job:
        return replace(
            job,
            status=end.status,
            ended_at=self.now,
            progress=1.0 if end.status is JobStatus.COMPLETED else job.progress,
            result_status=end.result_status,
            error_code=end.error_code,
            error=end.error[:MOST_OF_AN_ERROR] if end.error else None,
            prompt_tokens=end.prompt_tokens or job.prompt_tokens,
            output_tokens=end.output_tokens or job.output_tokens,
            version=end.version or job.version,
            device_id=end.device_id or job.device_id,
        )

    def _write(self, ended: Sequence[Job]) -> None:
        if ended:
            rows = [{name: getattr(job, name) for name in _CHANGED} for job in ended]
            self.session.execute(update(JobRow), rows)


_CHANGED = (
    "id",
    "status",
    "ended_at",
    "progress",
    "fence",
    "is_cancel_asked",
    "result_status",
    "error_code",
    "error",
    "prompt_tokens",
    "output_tokens",
    "version",
    "device_id",
)


def exhausted(attempts: int, why: str) -> JobEnd:
    """The end of a job that was tried as often as it may be."""
    return JobEnd(
        status=JobStatus.FAILED,
        error_code="attempts_exhausted",
        error=f"It was tried {attempts} times and never came to its end. {why}".strip(),
    )


def waiting_again() -> dict[str, Any]:
    """The columns of a job that nobody holds any more."""
    return {
        "status": JobStatus.QUEUED,
        "claimer": None,
        "lease_until": None,
        "progress": 0.0,
        "version": None,
        "device_id": None,
        "started_at": None,
    }
