"""Jobs for tests: handed in straight into the queue, and waited for."""

import asyncio
import json
import uuid
from dataclasses import dataclass

import anyio

from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.job import Job, JobStatus, JobType, NewJob
from modelyard.registry.jobs.queue import JobQueue
from tests.serving.installation import Installation

CHAT = "/v1/chat/completions"
WITHIN_S = 90.0


def asked(model: str, **given: object) -> bytes:
    """The body of a chat request."""
    messages = [{"role": "user", "content": "Say"}]
    return json.dumps({"model": model, "messages": messages} | given).encode()


@dataclass(frozen=True, slots=True)
class Queued:
    """One installation's queue, and who asks: ada."""

    installation: Installation

    @property
    def queue(self) -> JobQueue:
        return JobQueue(self.installation.database)

    @property
    def book(self) -> JobBook:
        return JobBook(self.installation.database)

    def add(self, model: str, *, timeout_s: float = 600, priority: int = 3, **given: object) -> str:
        """Hand a chat request in; its id."""
        ada = self.installation.identity.authenticate_key(self.installation.ada)
        most = given.get("max_tokens", 0)
        job = NewJob(
            id=str(uuid.uuid4()),
            user_id=ada.user_id,
            asked_by=ada.user_id,
            model=model,
            type=JobType.INFERENCE,
            path=CHAT,
            body=asked(model, **given),
            priority=priority,
            timeout_s=timeout_s,
            digest="0" * 64,
            output_tokens=most if isinstance(most, int) else 0,
        )
        return self.queue.submit([job])[0].id

    async def ended(self, *ids: str) -> list[Job]:
        """These jobs once each has ended."""
        with anyio.fail_after(WITHIN_S):
            while True:
                jobs = await asyncio.to_thread(self.book.some, ids)
                if all(job.status.is_end for job in jobs.values()):
                    return [jobs[id_] for id_ in ids]
                await asyncio.sleep(0.05)

    async def once(self, job_id: str, status: JobStatus) -> Job:
        """The job once it is in that status."""
        with anyio.fail_after(WITHIN_S):
            while (job := await asyncio.to_thread(self.book.get, job_id)).status is not status:
                await asyncio.sleep(0.05)
        return job
