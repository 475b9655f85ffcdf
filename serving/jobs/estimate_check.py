"""Compares what was estimated at a job's submission with what happened to it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.job import Job, JobStatus
from modelyard.registry.logs import logger
from modelyard.serving.jobs.outlook import JobOutlook
from modelyard.serving.observability.estimate_stats import EstimateStats

MOST_OPEN = 1000
"""Estimates that wait to be compared; while there are so many, further ones are left out."""

LOOK_S = 2.0
AT_ONCE = 200
LEAST_S = 1.0
"""Times below that count as this long: a tenth of a second instead of a twentieth is no error."""

_log = logger("modelyard.jobs")


@dataclass(slots=True)
class EstimateCheck:
    """Of estimates that this gateway made, whoever runs the jobs."""

    book: JobBook
    stats: EstimateStats
    _open: dict[str, JobOutlook] = field(default_factory=dict[str, JobOutlook])
    _begun: set[str] = field(default_factory=set[str])

    def made(self, job: Job, outlook: JobOutlook) -> None:
        """Remember what was estimated for a job that was just handed in."""
        if outlook.end_at is not None and len(self._open) < MOST_OPEN:
            self._open.setdefault(job.id, outlook)

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except SQLAlchemyError as error:
                _log.warning("estimates_not_compared", reason=str(error).splitlines()[0])

    async def look(self) -> None:
        """Compare what has happened by now, of some that are still open."""
        some = {job_id: self._open[job_id] for job_id in islice(self._open, AT_ONCE)}
        if not some:
            return
        jobs = await asyncio.to_thread(self.book.some, some.keys())
        for job_id, outlook in some.items():
            del self._open[job_id]
            if job_id in jobs and self._compare(jobs[job_id], outlook):
                self._open[job_id] = outlook  # behind the others
            else:
                self._begun.discard(job_id)

    def _compare(self, job: Job, outlook: JobOutlook) -> bool:
        """Whether there will be more to compare."""
        if (
            job.started_at is not None
            and outlook.start_at is not None
            and job.id not in self._begun
        ):
            self._begun.add(job.id)
            error = relative_error(job.submitted_at, outlook.start_at, job.started_at)
            self.stats.start.observe(error)
        if job.status is JobStatus.COMPLETED and job.ended_at and outlook.end_at:
            self.stats.end.observe(relative_error(job.submitted_at, outlook.end_at, job.ended_at))
        return not job.status.is_end


def relative_error(since: datetime, estimated: datetime, happened: datetime) -> float:
    """How far off an estimate was, as a share of the time that it was about."""
    took_s = (happened - since).total_seconds()
    return abs((estimated - happened).total_seconds()) / max(LEAST_S, took_s)
