"""Looks after jobs that nobody else does: the late ones, and those whose process is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from modelyard.registry.jobs.ending import JobEnding, exhausted, waiting_again
from modelyard.registry.jobs.job import Job
from modelyard.registry.jobs.limits import MOST_LAPSES
from modelyard.registry.jobs.notices import QUEUED, tell
from modelyard.registry.jobs.tables import IS_HELD, IS_OPEN, JOB, JobRow, jobs_of
from modelyard.registry.jobs.wake_up import announce

AT_ONCE = 500
LOST = "Each time the process that had it in hand was lost."


@dataclass(frozen=True, slots=True)
class Swept:
    """The jobs that timed out, that wait again, and that were given up."""

    timed_out: Sequence[Job] = ()
    queued: Sequence[Job] = ()
    given_up: Sequence[Job] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left for the next sweep."""
        return max(len(self.timed_out), len(self.queued) + len(self.given_up)) < AT_ONCE


def fail_late(ending: JobEnding) -> list[Job]:
    """Up to AT_ONCE jobs past their deadline; whoever holds one of them has lost it."""
    late = _locked(ending.session, [IS_OPEN, JobRow.deadline <= ending.now], JobRow.deadline)
    return ending.fail(late, "timeout", "Its timeout passed before it had ended.")


def take_back(ending: JobEnding) -> Swept:
    """Up to AT_ONCE jobs whose lease has ended; those that somebody has locked are passed."""
    held = [IS_HELD, JobRow.lease_until <= ending.now]
    lapsed = _locked(ending.session, held, JobRow.lease_until)
    queued = _queue_again(ending.session, [job for job in lapsed if job.lapses + 1 < MOST_LAPSES])
    end = exhausted(MOST_LAPSES, LOST)
    poisonous = [job for job in lapsed if job.lapses + 1 >= MOST_LAPSES]
    given_up = ending.fail(poisonous, str(end.error_code), str(end.error))
    return Swept((), queued, given_up)


def _locked(session: Session, where: Sequence[Any], order: Any) -> list[Job]:
    wanted = select(*JOB).where(*where).order_by(order).limit(AT_ONCE)
    return jobs_of(session, wanted.with_for_update(skip_locked=True))


def _queue_again(session: Session, jobs: Sequence[Job]) -> list[Job]:
    if not jobs:
        return []
    again = (
        update(JobRow)
        .where(JobRow.id.in_([job.id for job in jobs]))
        .values(fence=JobRow.fence + 1, lapses=JobRow.lapses + 1, **waiting_again())
        .returning(*JOB)
    )
    queued = jobs_of(session, again)
    tell(session, QUEUED, queued)
    announce(session)
    return queued
