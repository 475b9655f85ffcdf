"""Takes a batch of our own API: every request of it is checked, and then all are queued or none."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import JobBatch, NewBatch
from modelyard.registry.batches.batch_book import BatchBook
from modelyard.registry.batches.entering import Batches
from modelyard.registry.database import utc_now
from modelyard.registry.errors import ModelyardError
from modelyard.registry.identity.caller import Caller
from modelyard.registry.jobs.errors import JobIdTaken
from modelyard.registry.jobs.job import Job, JobStatus
from modelyard.registry.jobs.wake_up import JobSignal
from modelyard.serving.errors import InvalidRequest, QuotaExceeded
from modelyard.serving.jobs.desk import RequestDesk
from modelyard.serving.jobs.intake.acting import Acting
from modelyard.serving.jobs.intake.forming import Terms
from modelyard.serving.jobs.intake.intake import CheckedJob
from modelyard.serving.jobs.outlook import JobOutlook
from modelyard.serving.wire.admin.batches import MOST_REQUESTS, BatchSubmission

FULL_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class TakenBatch:
    """A batch, its jobs in the order of its requests, and what lies ahead of each that is open."""

    batch: JobBatch
    jobs: Sequence[Job]
    outlooks: Sequence[JobOutlook]


@dataclass(frozen=True, slots=True)
class BatchIntake:
    """The door of batches without a file; `desk` is that of single requests."""

    desk: RequestDesk
    batches: Batches
    book: BatchBook

    async def submit(self, asked: BatchSubmission, caller: Caller) -> TakenBatch:
        """Queue all requests, or find the batch that it is already.

        Raises what is raised for a single request, with the number of the request at fault, and
        BatchIdTaken, JobIdTaken, TooManyBatches and QueueFull; then nothing was queued.
        """
        intake = self.desk.intake
        acting = await intake.behalf.of(asked.user_id, caller)
        if asked.callback_url is not None:
            intake.check_url(asked.callback_url)
        batch_id = str(asked.batch_id or uuid.uuid4())
        checked = await self._checked(asked, acting, batch_id)
        _refuse_repeated(checked)
        if asked.batch_id is None or not await self._is_there(batch_id):
            await self._admit(checked)
        batch = await asyncio.to_thread(self._enter, asked, acting, batch_id, checked)
        self.desk.heard(JobSignal.WAITING)
        jobs = await asyncio.to_thread(self._jobs, batch.id)
        return TakenBatch(batch, jobs, await self._outlooks(jobs, checked))

    async def _checked(
        self, asked: BatchSubmission, acting: Acting, batch_id: str
    ) -> list[CheckedJob]:
        terms = Terms(asked.timeout / 1000, 1, batch_id=batch_id)
        found: list[CheckedJob] = []
        for number, work in enumerate(asked.requests):
            own = replace(terms, priority=work.priority, place=number)
            try:
                found.append(await self.desk.intake.check_work(work, acting, own))
            except InvalidRequest as error:
                raise _numbered(error, number) from None
        return found

    async def _is_there(self, batch_id: str) -> bool:
        return await asyncio.to_thread(self.book.known, batch_id) is not None

    async def _admit(self, checked: Sequence[CheckedJob]) -> None:
        """Raise what refuses one of them, once for each model and memory asked."""
        quota = checked[0].quota
        left = quota.request_limit - quota.request_count
        if quota.request_limit and 0 < left < len(checked):
            raise QuotaExceeded(
                f"The batch has {len(checked)} requests, and {left} are left of your quota's "
                f"request_limit of {quota.request_limit}.",
                FULL_RETRY_S,
                fix="Send fewer, or ask an admin for more.",
            )
        kinds = {(c.job.model, c.job.type, c.job.resources.get("memory")): c for c in checked}
        for one in kinds.values():
            await self.desk.admission.check(one)

    def _enter(
        self,
        asked: BatchSubmission,
        acting: Acting,
        batch_id: str,
        checked: Sequence[CheckedJob],
    ) -> JobBatch:
        now = utc_now()
        models = {one.job.model for one in checked}
        new = NewBatch(
            id=batch_id,
            user_id=acting.user.user_id,
            asked_by=acting.asked_by.user_id,
            created_at=now,
            expires_at=now + timedelta(milliseconds=asked.timeout),
            model=models.pop() if len(models) == 1 else "",
            digest=_digest(asked, checked),
            callback_url=asked.callback_url,
        )

        def submit(session: Session) -> None:
            for job in self.desk.queue.submit([one.job for one in checked], session):
                if job.batch_id != batch_id:
                    raise JobIdTaken(job.id)

        return self.batches.submit(new, len(checked), submit)

    def _jobs(self, batch_id: str) -> Sequence[Job]:
        return self.desk.book.of_batch(batch_id, frozenset(JobStatus), -1, MOST_REQUESTS)

    async def _outlooks(
        self, jobs: Sequence[Job], checked: Sequence[CheckedJob]
    ) -> list[JobOutlook]:
        """Of the first and the last that are open: the others are between them."""
        versions = {one.job.model: one.version for one in checked}
        open_jobs = [job for job in jobs if not job.status.is_end]
        ends = [open_jobs[0], open_jobs[-1]] if open_jobs else []
        return [await self.desk.outlooks.of(job, versions.get(job.model)) for job in ends]


def _refuse_repeated(checked: Sequence[CheckedJob]) -> None:
    first = dict[str, int]()
    for number, one in enumerate(checked):
        if (there := first.setdefault(one.job.id, number)) != number:
            raise InvalidRequest(
                f"'requests.{number}.request_id' is that of 'requests.{there}'.",
                param=f"requests.{number}.request_id",
                fix="Give each its own, or none.",
            )


def _numbered(error: InvalidRequest, number: int) -> ModelyardError:
    """The same error, which now names the request that it is about."""
    error.message = f"requests.{number}: {error.message}"
    error.param = f"requests.{number}.{error.param}" if error.param else f"requests.{number}"
    return error


def _digest(asked: BatchSubmission, checked: Sequence[CheckedJob]) -> str:
    """The sha256 of all that was handed in; each request's own digest has its user and timeout."""
    ids = [str(work.request_id) if work.request_id else None for work in asked.requests]
    whole = [asked.callback_url, asked.timeout, ids, [one.job.digest for one in checked]]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()
