"""Queues that are broken on purpose, each in one promise, to see that the simulation finds it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from sqlalchemy import delete, insert, select, update

from modelyard.registry.callbacks.tables import CallbackRow
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import Claim, JobEnd
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.sweeping import Swept
from modelyard.registry.jobs.tables import JobRow


@dataclass(frozen=True, slots=True)
class UnfencedQueue(JobQueue):
    """Takes an end from whoever brings it."""

    def finish(self, claim: Claim, end: JobEnd) -> bool:
        with self.db.read() as session:
            fence = session.scalar(select(JobRow.fence).where(JobRow.id == claim.job.id)) or 0
        return JobQueue.finish(self, replace(claim, fence=fence), end)


@dataclass(frozen=True, slots=True)
class LeaselessQueue(JobQueue):
    """Waits for ever for a process that is gone."""

    def sweep(self) -> Swept:
        return Swept()


@dataclass(frozen=True, slots=True)
class LateOutboxQueue(JobQueue):
    """Enters a callback in a transaction of its own, after the end that it tells of."""

    def finish(self, claim: Claim, end: JobEnd) -> bool:
        is_taken = JobQueue.finish(self, claim, end)
        mine = CallbackRow.subject == claim.job.id
        with self.db.begin() as session:
            columns = CallbackRow.__table__.columns
            rows = [dict(row) for row in session.execute(select(*columns).where(mine)).mappings()]
            session.execute(delete(CallbackRow).where(mine))
        if rows:
            with self.db.begin() as session:
                session.execute(insert(CallbackRow), rows)
        return is_taken


@dataclass(frozen=True, slots=True)
class UpsideDownQueue(JobQueue):
    """Gives the least urgent first."""

    def claim(self, claimer: str, wanted: ClaimRequest) -> list[Claim]:
        self._turn()
        claims = JobQueue.claim(self, claimer, wanted)
        self._turn()
        back = [replace(one.job, priority=6 - one.job.priority) for one in claims]
        return [replace(one, job=job) for one, job in zip(claims, back, strict=True)]

    def _turn(self) -> None:
        with self.db.begin() as session:
            session.execute(update(JobRow).values(priority=6 - JobRow.priority))


FAULTS: Mapping[str, tuple[type[JobQueue], frozenset[int]]] = MappingProxyType(
    {
        "no fence": (UnfencedQueue, frozenset({1, 2, 8})),
        "no lease": (LeaselessQueue, frozenset({1})),
        "a late outbox": (LateOutboxQueue, frozenset({11})),
        "no order": (UpsideDownQueue, frozenset({9})),
    }
)
"""Each fault, and the numbers of the invariants that it breaks."""
