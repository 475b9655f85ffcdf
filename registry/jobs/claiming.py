"""Gives the next jobs to a process: by priority and waiting, then fairly, then by deadline."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, literal, select, union_all, update
from sqlalchemy.orm import Session

from modelyard.registry.jobs.job import FLOWS, Claim, Job, JobStatus
from modelyard.registry.jobs.limits import AGEING, LEAST_PRIORITY, MOST_PRIORITY
from modelyard.registry.jobs.notices import STARTED, tell
from modelyard.registry.jobs.tables import IS_WAITING, JobBodyRow, JobRow, job_of

ROUNDS = 3
"""So often a claim looks again after others took what it wanted at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """What a process has room for: `models` says how many jobs of each model.

    With `flows`, so many trainings and fine-tunings of any model instead.
    """

    models: Mapping[str, int] = field(default_factory=dict[str, int])
    flows: int = 0
    least_priority: int = LEAST_PRIORITY


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting job as the order sees it."""

    id: str
    priority: int
    submitted_at: datetime

    def level(self, now: datetime) -> int:
        """Its priority, and one more for each AGEING that it has waited."""
        return self.priority + max(0, (now - self.submitted_at) // AGEING)


@dataclass(slots=True)
class WaitingLine:
    """The waiting jobs of one model and priority: the fair order of them, and the oldest first."""

    by_turn: list[Candidate]
    by_age: list[Candidate]

    def take(self, id_: str) -> None:
        self.by_turn = [one for one in self.by_turn if one.id != id_]
        self.by_age = [one for one in self.by_age if one.id != id_]

    def level(self, now: datetime) -> tuple[int, int]:
        """How urgent its oldest job makes it; of two that are equal the larger priority is more."""
        oldest = self.by_age[0]
        return (oldest.level(now), oldest.priority)


def in_order(lines: Sequence[WaitingLine], most: int, now: datetime) -> Iterator[Candidate]:
    """The next `most` jobs of several lines.

    The line whose oldest job is the most urgent is next. It sends the first in its fair order where
    that one is urgent enough itself, and else the oldest.
    """
    for _ in range(most):
        waiting = sorted((one for one in lines if one.by_age), key=lambda one: one.level(now))
        if not waiting:
            return
        line = waiting[-1]
        rival = waiting[-2].level(now) if len(waiting) > 1 else (0, 0)
        first = line.by_turn[0]
        chosen = first if (first.level(now), first.priority) > rival else line.by_age[0]
        line.take(chosen.id)
        yield chosen


@dataclass(frozen=True, slots=True)
class Claiming:
    """One claim, within one transaction."""

    session: Session
    claimer: str
    now: datetime
    lease: timedelta

    def claim(self, wanted: ClaimRequest) -> list[Claim]:
        jobs = list[Job]()
        for model in sorted(wanted.models):
            engines = JobRow.type.not_in(FLOWS)
            here = ((JobRow.model == model), engines)
            jobs += self._some(here, wanted.models[model], wanted.least_priority)
        jobs += self._some((JobRow.type.in_(FLOWS),), wanted.flows, wanted.least_priority)
        bodies = self._bodies([job.id for job in jobs])
        tell(self.session, STARTED, jobs)
        return [Claim(job, bodies[job.id], job.fence) for job in jobs]

    def _some(self, here: Sequence[Any], most: int, least_priority: int) -> list[Job]:
        got = list[Job]()
        passed = set[str]()
        for _ in range(ROUNDS):
            if len(got) >= most:
                break
            lines = self._lines(here, most - len(got), least_priority, passed)
            chosen = [one.id for one in in_order(lines, most - len(got), self.now)]
            if not chosen:
                break
            got += self._take(chosen)
            passed.update(chosen)
        return got

    def _lines(
        self, here: Sequence[Any], most: int, least_priority: int, passed: Collection[str]
    ) -> list[WaitingLine]:
        parts = [
            part
            for priority in range(least_priority, MOST_PRIORITY + 1)
            for part in self._parts([*here, JobRow.id.not_in(passed)], priority, most)
        ]
        lines = {p: WaitingLine([], []) for p in range(least_priority, MOST_PRIORITY + 1)}
        for row in self.session.execute(union_all(*parts)):
            line = lines[row.priority]
            one = Candidate(row.id, row.priority, row.submitted_at)
            (line.by_turn if row.is_turn else line.by_age).append(one)
        return list(lines.values())

    def _parts(self, here: Sequence[Any], priority: int, most: int) -> list[Select[Any]]:
        """The same number of jobs twice, so that either order has as many as are wanted."""
        turn = (JobRow.rank, JobRow.deadline, JobRow.id)
        age = (JobRow.submitted_at, JobRow.id)
        return [
            select(
                select(
                    JobRow.id, JobRow.priority, JobRow.submitted_at, literal(flag).label("is_turn")
                )
                .where(IS_WAITING, *here, JobRow.priority == priority)
                .where(JobRow.eligible_at <= self.now, JobRow.deadline > self.now)
                .order_by(*order)
                .limit(most)
                .subquery()
            )
            for flag, order in ((True, turn), (False, age))
        ]

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
            .returning(JobRow)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        jobs = {row.id: job_of(row) for row in self.session.scalars(taken)}
        return [jobs[id_] for id_ in ids if id_ in jobs]

    def _bodies(self, ids: Sequence[str]) -> dict[str, bytes]:
        if not ids:
            return {}
        wanted = select(JobBodyRow.job_id, JobBodyRow.body).where(JobBodyRow.job_id.in_(ids))
        return {row.job_id: row.body for row in self.session.execute(wanted)}
