"""What lies ahead of a job: its place in the queue, and when it is likely to begin and to end."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.database import utc_now
from modelyard.registry.jobs.backlog import QueueBacklog
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.job import Job, JobStatus
from modelyard.serving.cache import SingleFlightCache
from modelyard.serving.jobs.estimates import Ahead, Estimate, JobWork, estimate
from modelyard.serving.routing.router import Router

LOOKED_S = 0.5
"""Seconds for which all who ask share one look at what waits."""


@dataclass(frozen=True, slots=True)
class JobOutlook:
    """`position` is 1 for what begins next, 0 for what does not wait; a time None is unknown."""

    position: int
    start_at: datetime | None
    end_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outlooks:
    """Looks ahead for jobs, by this gateway's router and the whole queue."""

    book: JobBook
    router: Router
    backlog: SingleFlightCache[None, list[QueueBacklog]]

    async def of(self, job: Job, version: ModelVersion | None) -> JobOutlook:
        """What is ahead of a job; without a version that it would run on, only its place."""
        if job.status is JobStatus.QUEUED:
            return await self._waiting(job, version)
        if job.status is JobStatus.PROCESSING:
            return JobOutlook(0, job.started_at, self._end(job, version))
        return JobOutlook(0, job.started_at, job.ended_at)

    async def _waiting(self, job: Job, version: ModelVersion | None) -> JobOutlook:
        position = await asyncio.to_thread(self.book.place_of, job)
        now = utc_now()
        if job.type.is_flow:
            expected = _expected_s(job)
            end = None if expected is None else now + timedelta(seconds=expected)
            return JobOutlook(position, now if position <= 1 else None, end)
        if version is None:
            return JobOutlook(position, None, None)
        await self.router.catch_up(version)
        each = _each(await self.backlog.get(None), job.model)
        found = self._estimate(job, version, Ahead(max(0, position - 1), each))
        if found is None:
            return JobOutlook(position, None, None)
        start = max(now + timedelta(seconds=found.start_s), job.eligible_at)
        return JobOutlook(position, start, start + timedelta(seconds=found.run_s))

    def _end(self, job: Job, version: ModelVersion | None) -> datetime | None:
        """By its progress where there is some, else by how long such a job takes."""
        now = utc_now()
        if job.started_at is None:
            return None
        if job.progress > 0:
            passed = now - job.started_at
            return max(now, job.started_at + passed / job.progress)
        expected = _expected_s(job)
        if expected is None and version is not None and not job.type.is_flow:
            found = self._estimate(job, version, Ahead(0, work_of(job)))
            expected = found.run_s if found else None
        if expected is None:
            return None
        return max(now, job.started_at + timedelta(seconds=expected))

    def _estimate(self, job: Job, version: ModelVersion, ahead: Ahead) -> Estimate | None:
        cluster = self.router.core.cluster
        return estimate(cluster, version.id, work_of(job), ahead, now=time.monotonic())


def work_of(job: Job) -> JobWork:
    return JobWork(job.prompt_tokens, job.output_tokens, _expected_s(job))


def _expected_s(job: Job) -> float | None:
    expected_ms: int | None = job.resources.get("expected_duration")
    return None if expected_ms is None else expected_ms / 1000


def _each(backlog: Sequence[QueueBacklog], model: str) -> JobWork:
    """What one of the waiting jobs of a model takes, on average."""
    lines = [line for line in backlog if line.model == model]
    waiting = sum(line.waiting for line in lines)
    if not waiting:
        return JobWork(0, 0)
    prompt = sum(line.prompt_tokens for line in lines)
    output = sum(line.output_tokens for line in lines)
    return JobWork(prompt / waiting, output / waiting)
