"""Batches in the states that tests need, with jobs that nobody runs."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import BatchStatus, JobBatch, NewBatch
from modelyard.registry.batches.batch_book import BatchBook
from modelyard.registry.batches.entering import Batches
from modelyard.registry.batches.states import BatchStates
from modelyard.registry.database import Database, utc_now
from modelyard.registry.files.user_file import new_file_id
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import Claim, JobEnd, JobStatus, JobType, NewJob
from modelyard.registry.jobs.queue import JobQueue
from tests.registry.files.stored import added

VALIDATING = frozenset({BatchStatus.VALIDATING})
ENDING = frozenset({BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING, BatchStatus.FINALIZING})
DONE = JobEnd(status=JobStatus.COMPLETED, result=b'{"a": 1}', result_status=200)
FAILED = JobEnd(status=JobStatus.FAILED, error_code="timeout", error="Too late.")


@dataclass(frozen=True, slots=True)
class BatchStage:
    """One database's batches, and the queue of their jobs."""

    db: Database

    @property
    def batches(self) -> Batches:
        return Batches(self.db)

    @property
    def states(self) -> BatchStates:
        return BatchStates(self.db)

    @property
    def book(self) -> BatchBook:
        return BatchBook(self.db)

    @property
    def queue(self) -> JobQueue:
        return JobQueue(self.db)

    def new(self, user_id: str = "ada", **facts: Any) -> NewBatch:
        now = utc_now()
        usual: dict[str, Any] = {
            "id": f"batch_{uuid.uuid4().hex}",
            "user_id": user_id,
            "asked_by": user_id,
            "created_at": now,
            "expires_at": now + timedelta(hours=24),
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        return NewBatch(**usual | facts)

    def created(self, user_id: str = "ada", **facts: Any) -> JobBatch:
        """A batch of a file, to be validated."""
        file = added(self.db, user_id)
        return self.batches.create(self.new(user_id, input_file_id=file.id, **facts))

    def begun(self, total: int, user_id: str = "ada", **facts: Any) -> JobBatch:
        """A batch in progress, with its jobs in the queue."""
        created = self.created(user_id, **facts)
        taken = self.taken(VALIDATING)
        assert taken.id == created.id
        assert self.states.begin(taken, about(total), self.submitting(taken, total))
        return self.book.get(created.id, user_id)

    def submitting(self, batch: JobBatch, total: int) -> Any:
        """What writes the batch's jobs."""

        def submit(session: Session) -> None:
            self.queue.submit([job_of(batch, place) for place in range(1, total + 1)], session)

        return submit

    def taken(self, statuses: Collection[BatchStatus]) -> JobBatch:
        batch = self.states.take(statuses)
        assert batch is not None
        return batch

    def claims(self, most: int) -> list[Claim]:
        return self.queue.claim("tests/boot", ClaimRequest(models={"talker": most}))

    def finish(self, *ends: JobEnd) -> None:
        """End the next jobs so."""
        for claim, end in zip(self.claims(len(ends)), ends, strict=True):
            assert self.queue.finish(claim, end)


def about(total: int) -> dict[str, Any]:
    return {
        "model": "talker",
        "total": total,
        "output_file_id": new_file_id(),
        "error_file_id": new_file_id(),
    }


def job_of(batch: JobBatch, place: int) -> NewJob:
    return NewJob(
        id=str(uuid.uuid4()),
        user_id=batch.user_id,
        asked_by=batch.user_id,
        model="talker",
        type=JobType.INFERENCE,
        path=batch.endpoint,
        body=b"{}",
        priority=1,
        timeout_s=86_400,
        digest="0" * 64,
        batch_id=batch.id,
        place=place,
        custom_id=f"line-{place}",
    )
