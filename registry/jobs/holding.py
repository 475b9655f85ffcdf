"""Keeps claims alive, and says how far their jobs are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from modelyard.registry.jobs.job import Claim, Job
from modelyard.registry.jobs.notices import PROGRESS, tell
from modelyard.registry.jobs.tables import IS_HELD, JOB, JobRow, jobs_of


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How much of a job is done, 0..1: tokens of the most it may take, or tasks of its run."""

    done: float


@dataclass(frozen=True, slots=True)
class Held:
    """Ids of the jobs that a process has lost; of some of them the cancellation was asked for.

    Whatever it still does for a lost job is in vain: it stops.
    """

    lost: frozenset[str] = frozenset()
    cancelled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that keeps its claims until `lease_until`, within one transaction."""

    session: Session
    claimer: str
    lease_until: datetime

    def extend(self, claims: Sequence[Claim], progress: Mapping[str, JobProgress]) -> Held:
        kept = self._keep(claims)
        lost = frozenset(claim.job.id for claim in claims) - kept
        asked = select(JobRow.id).where(JobRow.id.in_(lost), JobRow.is_cancel_asked)
        cancelled = frozenset(self.session.scalars(asked)) if lost else lost
        moved = list[Job]()
        for id_ in sorted(kept & progress.keys()):
            moved += self._move(id_, min(1.0, max(0.0, progress[id_].done)))
        tell(self.session, PROGRESS, moved)
        return Held(lost, cancelled)

    def _keep(self, claims: Sequence[Claim]) -> frozenset[str]:
        pairs = tuple_(JobRow.id, JobRow.fence).in_([(one.job.id, one.fence) for one in claims])
        mine = update(JobRow).where(IS_HELD, JobRow.claimer == self.claimer, pairs)
        longer = mine.values(lease_until=self.lease_until).returning(JobRow.id)
        return frozenset(self.session.scalars(longer.execution_options(synchronize_session=False)))

    def _move(self, job_id: str, done: float) -> list[Job]:
        further = update(JobRow).where(JobRow.id == job_id, JobRow.progress < done)
        return jobs_of(self.session, further.values(progress=done).returning(*JOB))


def begun(session: Session, claim: Claim, version: str, device_id: str) -> bool:
    mine = update(JobRow).where(IS_HELD, JobRow.id == claim.job.id, JobRow.fence == claim.fence)
    said = mine.values(version=version, device_id=device_id)
    return bool(jobs_of(session, said.returning(*JOB)))
