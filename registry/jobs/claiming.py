"""Gives the next jobs to a process, which has them until its lease ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from modelyard.registry.jobs.job import Claim, Job, JobStatus
from modelyard.registry.jobs.limits import LEAST_PRIORITY
from modelyard.registry.jobs.notices import STARTED, tell
from modelyard.registry.jobs.tables import IS_WAITING, JOB, JobBodyRow, JobRow, jobs_of
from modelyard.registry.jobs.turns.looking import Look, Looking
from modelyard.registry.jobs.turns.order import in_order

ROUNDS = 3
"""So often a claim looks again after others took what it wanted at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """What a process has room for: `models` says how many jobs of each model.

    `flows` is how many trainings and fine-tunings it takes beside them, of whatever model.
    """

    models: Mapping[str, int] = field(default_factory=dict[str, int])
    flows: int = 0
    least_priority: int = LEAST_PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Claiming:
    """One claim, within one transaction."""

    session: Session
    looking: Looking
    claimer: str
    now: datetime
    lease: timedelta

    def claim(self, wanted: ClaimRequest) -> list[Claim]:
        jobs = list[Job]()
        for model in sorted(wanted.models):
            jobs += self._some(model, wanted.models[model], wanted.least_priority)
        jobs += self._some(None, wanted.flows, wanted.least_priority)
        bodies = self._bodies([job.id for job in jobs])
        tell(self.session, STARTED, jobs)
        return [Claim(job, bodies[job.id], job.fence) for job in jobs]

    def _some(self, model: str | None, most: int, least_priority: int) -> list[Job]:
        got = list[Job]()
        passed = set[str]()
        for _ in range(ROUNDS):
            more = most - len(got)
            look = Look(
                model=model, least_priority=least_priority, most=more, now=self.now, passed=passed
            )
            lines = self.looking.look(self.session, look) if more > 0 else []
            chosen = [one.id for one in in_order(lines, more, self.now)]
            if not chosen:
                break
            got += self._take(chosen)
            passed.update(chosen)
        return got

    def _take(self, ids: Sequence[str]) -> list[Job]:
        """Those of them that nobody else has taken or is taking, in the same order."""
        free = select(JobRow.id).where(JobRow.id.in_(ids), IS_WAITING)
        taken = (
            update(JobRow)
            .where(JobRow.id.in_(free.with_for_update(skip_locked=True)))
            .values(
                status=JobStatus.PROCESSING,
                claimer=self.claimer,
                fence=JobRow.fence + 1,
                attempts=JobRow.attempts + 1,
                lease_until=self.now + self.lease,
                started_at=self.now,
                progress=0.0,
                version=None,
                device_id=None,
            )
        )
        jobs = {job.id: job for job in jobs_of(self.session, taken.returning(*JOB))}
        return [jobs[id_] for id_ in ids if id_ in jobs]

    def _bodies(self, ids: Sequence[str]) -> dict[str, bytes]:
        wanted = select(JobBodyRow.job_id, JobBodyRow.body).where(JobBodyRow.job_id.in_(ids))
        rows = self.session.execute(wanted) if ids else []
        return {row.job_id: row.body for row in rows}
