"""All that one run of the simulation shares: the queue, the clock, chance, and what was told."""

import random
from dataclasses import dataclass, field

from sqlalchemy import delete, func, select

from modelyard.registry.callbacks.deliveries import Deliveries
from modelyard.registry.callbacks.tables import CallbackAddressRow, CallbackRow, CallbackTryRow
from modelyard.registry.database import Base, Database
from modelyard.registry.jobs.job import Job, JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.tables import JOB, JobBodyRow, JobResultRow, JobRow, jobs_of
from modelyard.registry.notices.tables import NoticeRow
from tests.invariants.jobs.commit_crashes import CommitCrashes
from tests.invariants.jobs.oracle import JobOracle, Violated
from tests.invariants.jobs.simulated_time import SimulatedClock

TABLES: tuple[type[Base], ...] = (
    CallbackTryRow,
    CallbackRow,
    CallbackAddressRow,
    JobResultRow,
    JobBodyRow,
    JobRow,
    NoticeRow,
)


@dataclass(slots=True)
class World:
    """`received` are the webhook ids that the user's server got, as often as it got them."""

    db: Database
    queue: JobQueue
    clock: SimulatedClock
    chance: random.Random
    crashes: CommitCrashes
    oracle: JobOracle = field(default_factory=JobOracle)
    received: list[str] = field(default_factory=list[str])
    is_calm: bool = False

    @property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.db, lease_s=20.0)

    def empty(self) -> None:
        """Remove what the run of another seed has left."""
        with self.db.begin() as session:
            for table in TABLES:
                session.execute(delete(table))

    def waiting(self) -> list[Job]:
        """Jobs that could be claimed now."""
        now = self.clock.now
        ready = (JobRow.eligible_at <= now) & (JobRow.deadline > now)
        with self.db.read() as session:
            return jobs_of(session, select(*JOB).where(JobRow.status == JobStatus.QUEUED, ready))

    def unended(self) -> int:
        """Jobs without an end, and callbacks that wait."""
        jobs = select(func.count()).select_from(JobRow).where(JobRow.ended_at.is_(None))
        calls = select(func.count()).select_from(CallbackRow).where(CallbackRow.state == "waiting")
        with self.db.read() as session:
            return (session.scalar(jobs) or 0) + (session.scalar(calls) or 0)

    def check(self) -> None:
        """What must hold once nothing is left to do."""
        with self.db.read() as session:
            jobs = {row.id: JobStatus(row.status) for row in session.scalars(select(JobRow))}
            ends = [
                str(row.data["request_id"])
                for row in session.scalars(select(NoticeRow).where(NoticeRow.kind == ENDED))
            ]
            calls = session.scalars(select(CallbackRow)).all()
        for job_id in self.oracle.acknowledged:
            if job_id not in jobs:
                raise Violated(1, f"{job_id} was acknowledged and is lost")
        for job_id, status in jobs.items():
            self._check_one(job_id, status, ends, [c for c in calls if c.subject == job_id])

    def _check_one(
        self, job_id: str, status: JobStatus, ends: list[str], calls: list[CallbackRow]
    ) -> None:
        if not status.is_end:
            raise Violated(1, f"{job_id} is {status} for ever")
        if ends.count(job_id) != 1:
            raise Violated(1, f"the end of {job_id} was told {ends.count(job_id)} times")
        if any(won is not status for won in self.oracle.won[job_id]):
            raise Violated(8, f"{job_id} is {status}, but was won as {self.oracle.won[job_id]}")
        wanted = 1 if self.oracle.drafts[job_id].callback_url else 0
        if len(calls) != wanted:
            raise Violated(11, f"{job_id} has {len(calls)} callbacks, not {wanted}")
        for call in calls:
            if call.state == "delivered" and call.id not in self.received:
                raise Violated(11, f"{call.id} counts as delivered and never came")
            if call.state == "waiting" or call.kind != f"request.{status}":
                raise Violated(11, f"{call.id} tells {call.kind} and is {call.state}")


ENDED = "request.ended"
