"""What the routes do with requests that outlive a connection: take, show, list and cancel them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import InvalidName, UnknownUser
from modelyard.registry.identity.caller import Caller
from modelyard.registry.jobs.backlog import OpenJobs
from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.jobs.errors import UnknownJob
from modelyard.registry.jobs.job import Job
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.wake_up import JobSignal
from modelyard.serving.jobs.admission import JobAdmission
from modelyard.serving.jobs.cursor import read_cursor, write_cursor
from modelyard.serving.jobs.estimate_check import EstimateCheck
from modelyard.serving.jobs.intake.intake import Intake, ModelUnknown
from modelyard.serving.jobs.outlook import JobOutlook, Outlooks
from modelyard.serving.jobs.running.owners import JobOwners, UserDisabled
from modelyard.serving.wire.admin.requests import Submission


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, what lies ahead of it, and its result where it was asked for and is there."""

    job: Job
    outlook: JobOutlook
    result: bytes | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, the latest first; `cursor` is empty at the end."""

    jobs: list[Job]
    cursor: str


@dataclass(frozen=True, slots=True)
class RequestDesk:
    """`heard` tells whoever dispatches in this process what was just handed in or cancelled."""

    intake: Intake
    admission: JobAdmission
    queue: JobQueue
    book: JobBook
    outlooks: Outlooks
    estimates: EstimateCheck
    owners: JobOwners
    heard: Callable[[JobSignal], None]

    async def submit(self, asked: Submission, caller: Caller) -> JobView:
        """Queue a submission, or find the job that it is already.

        Raises what `Intake.check` and `JobAdmission.check` raise, JobIdTaken and QueueFull.
        """
        checked = await self.intake.check(asked, caller)
        if asked.request_id is None or not await self._is_there(checked.job.id):
            await self.admission.check(checked)
        [job] = await asyncio.to_thread(self.queue.submit, [checked.job])
        self.heard(JobSignal.WAITING)
        outlook = await self.outlooks.of(job, checked.version)
        self.estimates.made(job, outlook)
        return JobView(job, outlook)

    async def show(self, job_id: str, caller: Caller) -> JobView:
        """Raises UnknownJob, also for one that the caller may not see."""
        job = await self.find(job_id, caller)
        result = await asyncio.to_thread(self.book.result, job.id) if job.status.is_end else None
        version = None if job.status.is_end else await self._version(job)
        return JobView(job, await self.outlooks.of(job, version), result)

    async def find(self, job_id: str, caller: Caller) -> Job:
        """Its user's, of who handed it in for that user, and of admins. Raises UnknownJob."""
        job = await asyncio.to_thread(self.book.get, job_id)
        if not (caller.is_admin or caller.user_id in {job.user_id, job.asked_by}):
            raise UnknownJob(job_id)
        return job

    async def cancel(self, job_id: str, caller: Caller) -> Job:
        """Raises UnknownJob and JobEnded."""
        await self.find(job_id, caller)
        job = await asyncio.to_thread(self.queue.cancel, job_id)
        self.heard(JobSignal.CANCELLED)
        return job

    async def page(self, wanted: JobFilter, cursor: str, most: int) -> JobPage:
        """Raises InvalidRequest for a cursor that is none."""
        after = read_cursor(cursor)
        found = await asyncio.to_thread(self.book.list, wanted, after, most + 1)
        jobs = list(found[:most])
        is_more = len(found) > most
        return JobPage(jobs, write_cursor((jobs[-1].submitted_at, jobs[-1].id)) if is_more else "")

    async def open_jobs(self, user_id: str | None) -> Sequence[OpenJobs]:
        """What has not ended, by model and priority: of everybody, or what a user may see."""
        return await asyncio.to_thread(self.book.open_jobs, user_id)

    async def _is_there(self, job_id: str) -> bool:
        return bool(await asyncio.to_thread(self.book.some, [job_id]))

    async def _version(self, job: Job) -> ModelVersion | None:
        """What it would run on now; None where its user or its model is gone."""
        try:
            user = await self.owners.caller(job.user_id)
            return (await self.intake.model(job.model, user)).version
        except (ModelUnknown, InvalidName, UnknownUser, UserDisabled):
            return None
