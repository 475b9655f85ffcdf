"""Keeps the leases of jobs in hand, tells how far they are, and finds out which are lost."""

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.holding import JobProgress
from modelyard.registry.jobs.job import JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.wake_up import JobWakeUp
from modelyard.registry.logs import logger
from modelyard.serving.jobs.dispatch.in_hand import JobsInHand
from modelyard.serving.jobs.dispatch.lane import JobLane
from modelyard.serving.jobs.running.job_run import JobTry
from modelyard.serving.observability.job_stats import JobStats

LOOK_S = 0.25
FLOOR_S = 2.0
"""Seconds between looks for cancelled jobs: as long as nothing tells of them, and where it does."""

BEAT_S = 2.0
"""Seconds between two tellings of how far jobs are."""

MOST_MOVED = 64
"""Jobs whose progress is told at once."""

_log = logger("modelyard.jobs")


@dataclass(slots=True)
class LeaseKeeper:
    """One statement for all jobs in hand, three times within a lease; a cheaper look in between."""

    queue: JobQueue
    book: JobBook
    wake_up: JobWakeUp
    lane: JobLane
    claimer: str
    in_hand: JobsInHand
    stats: JobStats
    _cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def look_soon(self) -> None:
        """Look for lost jobs now: somebody has cancelled one."""
        self._cancelled.set()

    async def run(self) -> None:
        """Keep leases and look for lost jobs, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._extend())
            group.create_task(self._look())
            group.create_task(self._tell())

    async def _extend(self) -> None:
        """Keep all leases three times within one; in between tell how far some have come."""
        kept_at = time.monotonic()
        while True:
            await asyncio.sleep(min(BEAT_S, self.queue.lease_s / 3))
            is_due = time.monotonic() - kept_at >= self.queue.lease_s / 3
            moved = [run for run in self.in_hand if run.has_moved][:MOST_MOVED]
            runs = [*self.in_hand] if is_due else moved
            if not runs:
                continue
            claims = [run.claim for run in runs]
            far = {run.claim.job.id: JobProgress(run.moved()) for run in moved}
            try:
                held = await self.lane.do(self.queue.extend, self.claimer, claims, far)
            except SQLAlchemyError as error:
                _log.warning("leases_not_extended", reason=str(error).splitlines()[0])
            else:
                kept_at = time.monotonic() if is_due else kept_at
                self._lost(held.lost)

    async def _look(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLOOR_S if self.wake_up.is_heard else LOOK_S):
                    await self._cancelled.wait()
            self._cancelled.clear()
            if runs := [run for run in self.in_hand if not run.is_lost]:
                with suppress(SQLAlchemyError):  # whoever keeps the leases says so
                    self._lost(await self._gone(runs))

    async def _gone(self, runs: Sequence[JobTry]) -> list[str]:
        """Ids of jobs that are not this process' any more."""
        fences = {run.claim.job.id: run.claim.fence for run in runs}
        known = await self.lane.do(self.book.some, fences)
        return [
            id_
            for id_, fence in fences.items()
            if id_ not in known
            or known[id_].fence != fence
            or known[id_].status is not JobStatus.PROCESSING
        ]

    def _lost(self, job_ids: Collection[str]) -> None:
        self.stats.lost += self.in_hand.lost(job_ids)

    async def _tell(self) -> None:
        """Tell the queue on which device a job is, of each that is there for a while."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.stats.running = len(self.in_hand)
            with suppress(SQLAlchemyError):
                for run in self.in_hand:
                    running = run.running
                    if running is not None and not (run.is_told or run.is_answered):
                        device_id = running.target.device_id
                        await self.lane.do(self.queue.begun, run.claim, running.model, device_id)
                        run.is_told = True
