"""Tells the queue what came of jobs: many ends in one transaction, and again until it is told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from modelyard.registry.jobs.job import Claim, JobEnd, JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.logs import logger
from modelyard.serving.jobs.dispatch.lane import JobLane
from modelyard.serving.jobs.running.job_run import JobTry
from modelyard.serving.jobs.running.outcome import Later, Outcome
from modelyard.serving.observability.job_stats import JobStats

AT_ONCE = 64
"""The most ends that one transaction writes."""

AGAIN_S = 0.25
MOST_AGAIN_S = 5.0
"""Seconds until a database that did not take it is asked again, more with each time."""

_log = logger("modelyard.jobs")

UNWRITABLE = JobEnd(
    status=JobStatus.FAILED,
    error_code="result_unwritable",
    error="The database refused its result; the dispatcher's log says why.",
)

Told = tuple[JobTry, JobEnd, asyncio.Future[bool]]


@dataclass(slots=True)
class JobSettler:
    """Whoever ends a job waits here until the queue has its end, or until its fence is lost."""

    queue: JobQueue
    lane: JobLane
    stats: JobStats
    _ends: list[Told] = field(default_factory=list[Told])
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def settle(self, run: JobTry, outcome: Outcome) -> None:
        """Write the outcome down; while the database is away, ask again."""
        if isinstance(outcome, Later):
            await self._give_back(run, outcome)
            return
        told = asyncio.get_running_loop().create_future()
        self._ends.append((run, outcome, told))
        self._news.set()
        if await told:
            self.stats.ended[outcome.status] += 1
        else:
            self.stats.lost += 1

    async def run(self) -> None:
        """Write down ends, for ever."""
        while True:
            await self._news.wait()
            some = self._ends[:AT_ONCE]
            del self._ends[:AT_ONCE]
            if not self._ends:
                self._news.clear()
            await self._finish([one for one in some if not one[2].done()])

    async def _finish(self, some: Sequence[Told]) -> None:
        wait_s = AGAIN_S
        while some:
            try:
                ended = await self._ended([(run.claim, end) for run, end, _ in some])
            except OperationalError as error:
                wait_s = await _patience("jobs_not_finished", error, wait_s)
                continue
            except Exception as error:  # noqa: BLE001  whatever it is, others' ends are written
                await self._one_by_one(some, error)
                return
            for run, _, told in some:
                _tell(told, is_ended=run.claim.job.id in ended)
            return

    async def _one_by_one(self, some: Sequence[Told], error: Exception) -> None:
        """The database refuses one of these ends: that job is failed, the others end as they do."""
        if len(some) > 1:
            for one in some:
                await self._finish([one])
            return
        [(run, end, told)] = some
        _log.error("job_end_refused", job=run.claim.job.id, reason=repr(error)[:300])
        if end is UNWRITABLE:
            _tell(told, is_ended=False)
        else:
            await self._finish([(run, UNWRITABLE, told)])

    async def _ended(self, ends: Sequence[tuple[Claim, JobEnd]]) -> set[str]:
        return {job.id for job in await self.lane.do(self.queue.finish_all, ends)}

    async def _give_back(self, run: JobTry, later: Later) -> None:
        self.stats.given_back["tried" if later.is_attempt else "later"] += 1
        wait_s = AGAIN_S
        while not run.is_lost:
            try:
                await self.lane.do(
                    self.queue.give_back,
                    run.claim,
                    later.why,
                    wait_s=later.wait_s,
                    is_attempt=later.is_attempt,
                )
            except SQLAlchemyError as error:
                wait_s = await _patience("job_not_given_back", error, wait_s)
            else:
                return


def _tell(told: asyncio.Future[bool], *, is_ended: bool) -> None:
    if not told.done():
        told.set_result(is_ended)


async def _patience(event: str, error: SQLAlchemyError, wait_s: float) -> float:
    """Wait after a failure; gives the seconds to wait after the next."""
    _log.warning(event, reason=str(error).splitlines()[0], again_s=wait_s)
    await asyncio.sleep(wait_s)
    return min(MOST_AGAIN_S, wait_s * 2)
