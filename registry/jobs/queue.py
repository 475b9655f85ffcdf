"""The durable queue: whoever takes a job has it until its lease ends, and nobody ends it twice."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, DateTime, text
from sqlalchemy.orm import Session

from modelyard.registry.database import Database, utc_now
from modelyard.registry.jobs import submitting, sweeping
from modelyard.registry.jobs.backlog import QueueBacklog, WaitingCounts, backlog
from modelyard.registry.jobs.claiming import Claiming, ClaimRequest
from modelyard.registry.jobs.ending import MOST_AT_ONCE, JobEnding
from modelyard.registry.jobs.forgetting import forget
from modelyard.registry.jobs.holding import Held, Holder, JobProgress, begun
from modelyard.registry.jobs.job import Claim, Job, JobEnd, NewJob
from modelyard.registry.jobs.limits import QueueLimits
from modelyard.registry.jobs.tables import JobRow
from modelyard.registry.jobs.turns.looking import Looking

STALLED_S = 10
"""Seconds after which PostgreSQL ends a transaction whose process stands still in the middle of it.

What it had locked is free again then; else one frozen process would hold up all others.
"""

_BEGIN = text(
    f"SELECT now() AS at, set_config('idle_in_transaction_session_timeout', '{STALLED_S}s', true)"
).columns(at=DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class JobQueue:
    """Every method but `sweep` is one transaction; `now` replaces the database's clock."""

    db: Database
    limits: QueueLimits = field(default_factory=QueueLimits)
    lease_s: float = 30.0
    now: Callable[[], datetime] | None = None
    _looking: Looking = field(default_factory=Looking, repr=False, compare=False)
    _waiting: WaitingCounts = field(default_factory=WaitingCounts, repr=False, compare=False)

    def submit(self, jobs: Sequence[NewJob], session: Session | None = None) -> list[Job]:
        """Write jobs down, all or none, in a transaction of its own or the caller's.

        One that was handed in before, with the same digest, is as it is now. Raises JobIdTaken and
        QueueFull.
        """
        if session is not None:
            return self._submit(session, jobs)
        with self.db.begin() as own:
            return self._submit(own, jobs)

    def claim(self, claimer: str, wanted: ClaimRequest) -> list[Claim]:
        """Take the next jobs until a lease from now; `claimer` is a name and a boot id."""
        with self._begin() as (session, now):
            return Claiming(
                session=session,
                looking=self._looking,
                claimer=claimer,
                now=now,
                lease=timedelta(seconds=self.lease_s),
            ).claim(wanted)

    def extend(
        self, claimer: str, claims: Sequence[Claim], progress: Mapping[str, JobProgress]
    ) -> Held:
        """Keep claims for another lease, and say how far they are, by id of the job."""
        with self._begin() as (session, now):
            holder = Holder(session, claimer, now + timedelta(seconds=self.lease_s))
            return holder.extend(claims, progress)

    def begun(self, claim: Claim, version: str, device_id: str) -> bool:
        """Say which version works on it, and where; False if the fence was lost."""
        with self._begin() as (session, _):
            return begun(session, claim, version, device_id)

    def finish(self, claim: Claim, end: JobEnd) -> bool:
        """End a job; False if the fence was lost: then nothing was changed."""
        return bool(self.finish_all([(claim, end)]))

    def finish_all(self, ends: Sequence[tuple[Claim, JobEnd]]) -> list[Job]:
        """End several jobs at the price of one; those whose fence was lost are left out."""
        with self._ending() as ending:
            return ending.finish(ends)

    def give_back(self, claim: Claim, why: str, *, wait_s: float, is_attempt: bool) -> bool:
        """Have it wait again, for `wait_s` at least; False if the fence was lost.

        An attempt counts; after the last one the job is failed as `attempts_exhausted` instead.
        """
        with self._ending() as ending:
            is_back = ending.give_back(claim, why, wait_s=wait_s, is_attempt=is_attempt)
        self._looking.forget()
        return is_back

    def cancel(self, job_id: str) -> Job:
        """End it at once, also while a process has it in hand. Raises UnknownJob and JobEnded."""
        with self._ending() as ending:
            return ending.cancel_one(job_id)

    def cancel_batch(self, batch_id: str) -> int:
        """End all jobs of a batch that have not ended, and say how many they were."""
        return self._cancel_all(JobRow.batch_id == batch_id)

    def cancel_of_user(self, user_id: str) -> int:
        """The same for all jobs of a user, in as many transactions as it takes."""
        return self._cancel_all(JobRow.user_id == user_id)

    def _cancel_all(self, which: ColumnElement[bool]) -> int:
        cancelled = 0
        while True:
            with self._ending() as ending:
                some = ending.cancel([which])
            cancelled += len(some)
            if len(some) < MOST_AT_ONCE:
                return cancelled

    def sweep(self) -> sweeping.Swept:
        """Fail jobs past their deadline, and take back those whose lease has ended."""
        with self._ending() as ending:
            timed_out = sweeping.fail_late(ending)
        with self._ending() as ending:
            taken_back = sweeping.take_back(ending)
        if taken_back.queued:
            self._looking.forget()
        return replace(taken_back, timed_out=timed_out)

    def forget(self, kept: timedelta) -> int:
        """Remove jobs that ended longer ago than `kept`, and say how many they were."""
        forgotten = 0
        while some := forget(self.db, kept):
            forgotten += some
        return forgotten

    def backlog(self) -> list[QueueBacklog]:
        """What waits, by model and priority, the most urgent first."""
        with self.db.read() as session:
            return backlog(session)

    def _submit(self, session: Session, jobs: Sequence[NewJob]) -> list[Job]:
        now = self._time(session)
        wanted = submitting.distinct(jobs)
        found = submitting.known(session, wanted)
        new = [job for job in wanted if job.id not in found]
        if new:
            self._waiting.check(session, new, self.limits)
            found |= submitting.enter(session, new, now)
        return [found[job.id] for job in jobs]

    @contextmanager
    def _begin(self) -> Generator[tuple[Session, datetime]]:
        with self.db.begin() as session:
            yield session, self._time(session)

    def _time(self, session: Session) -> datetime:
        """When the transaction began by the clock that all hosts share, in UTC; bounds it too."""
        at = utc_now()
        if not self.db.is_sqlite:
            at = session.execute(_BEGIN).one().at.astimezone(UTC)
        return self.now() if self.now else at

    @contextmanager
    def _ending(self) -> Generator[JobEnding]:
        with self._begin() as (session, now):
            yield JobEnding(session, now)
