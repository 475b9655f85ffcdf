"""Ends jobs, each once: its row, result, notice and callback in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from modelyard.registry.jobs.errors import JobEnded, UnknownJob
from modelyard.registry.jobs.job import Claim, Job, JobEnd, JobStatus
from modelyard.registry.jobs.limits import MOST_ATTEMPTS
from modelyard.registry.jobs.notices import ENDED, QUEUED, call_back, tell
from modelyard.registry.jobs.tables import IS_HELD, IS_OPEN, JobResultRow, JobRow, job_of
from modelyard.registry.jobs.wake_up import JobSignal, announce

MOST_OF_AN_ERROR = 2000


@dataclass(frozen=True, slots=True)
class JobEnding:
    """Changes of jobs that somebody holds, or that end, within one transaction."""

    session: Session
    now: datetime

    def finish(self, ends: Sequence[tuple[Claim, JobEnd]]) -> list[Job]:
        """The jobs that ended by this; one whose fence was lost is not among them."""
        ended = list[Job]()
        for claim, end in sorted(ends, key=lambda one: one[0].job.id):
            done = self._change(_held(claim), self._values(end))
            ended += done
            if done and end.result is not None:
                self.session.execute(
                    insert(JobResultRow).values(job_id=done[0].id, body=end.result)
                )
            for job in done:
                call_back(self.session, job, end.result)
        tell(self.session, ENDED, ended)
        return ended

    def give_back(self, claim: Claim, why: str, *, wait_s: float, is_attempt: bool) -> bool:
        if is_attempt and claim.job.attempts >= MOST_ATTEMPTS:
            return bool(self.finish([(claim, exhausted(claim.job.attempts, why))]))
        uncounted = 0 if is_attempt else 1
        back = self._change(
            _held(claim),
            waiting_again()
            | {
                "attempts": JobRow.attempts - uncounted,
                "eligible_at": self.now + timedelta(seconds=wait_s),
            },
        )
        tell(self.session, QUEUED, back)
        announce(self.session)
        return bool(back)

    def cancel(self, where: Sequence[Any]) -> list[Job]:
        """End those that have not ended; whoever holds one of them has lost it."""
        values = {
            "status": JobStatus.CANCELLED,
            "is_cancel_asked": True,
            "ended_at": self.now,
            "fence": JobRow.fence + 1,
        }
        ended = self._change([IS_OPEN, *where], values)
        for job in ended:
            call_back(self.session, job, None)
        tell(self.session, ENDED, ended)
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
        """Fail jobs whose rows this transaction has locked."""
        end = self._values(JobEnd(status=JobStatus.FAILED, error_code=code, error=error))
        ids = [job.id for job in jobs]
        failed = self._change([IS_OPEN, JobRow.id.in_(ids)], {**end, "fence": JobRow.fence + 1})
        for job in failed:
            call_back(self.session, job, None)
        tell(self.session, ENDED, failed)
        return failed

    def _values(self, end: JobEnd) -> dict[str, Any]:
        known = {
            "prompt_tokens": end.prompt_tokens,
            "output_tokens": end.output_tokens,
            "version": end.version,
            "device_id": end.device_id,
        }
        is_whole = end.status is JobStatus.COMPLETED
        return {
            "status": end.status,
            "ended_at": self.now,
            "result_status": end.result_status,
            "error_code": end.error_code,
            "error": end.error[:MOST_OF_AN_ERROR] if end.error else None,
            **({"progress": 1.0} if is_whole else {}),
            **{name: value for name, value in known.items() if value},
        }

    def _change(self, where: Sequence[Any], values: Mapping[str, Any]) -> list[Job]:
        changed = update(JobRow).where(*where).values(**values).returning(JobRow)
        options = {"synchronize_session": False, "populate_existing": True}
        rows = self.session.scalars(changed.execution_options(**options))
        return [job_of(row) for row in rows]


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


def _held(claim: Claim) -> list[Any]:
    return [IS_HELD, JobRow.id == claim.job.id, JobRow.fence == claim.fence]
