"""Requests of every kind for the pages: waiting, running, ended well and ended badly."""

from dataclasses import dataclass
from datetime import timedelta

from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.database import Database, utc_now
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import Claim, JobEnd, JobStatus, JobType, NewJob
from modelyard.registry.jobs.queue import JobQueue

ANSWER = (
    b'{"choices": [{"text": "To be"}], "usage": {"prompt_tokens": 11, "completion_tokens": 42}}'
)
WAITING = 3
BATCH = "batch_sample"
LEASE_S = 3600.0


@dataclass(frozen=True, slots=True)
class SampleRequests:
    """Ids of the requests that stand on the pages; WAITING wait, the lines of one batch."""

    completed: str
    failed: str
    running: str
    waiting: str


def hand_in(db: Database, user_id: str, model: str) -> SampleRequests:
    """Seed the queue through its own doors; nobody dispatches there."""
    queue = JobQueue(db, lease_s=LEASE_S)

    def add(number: int, priority: int = 5, url: str | None = None, batch: str = "") -> str:
        job = NewJob(
            id=f"{number:08x}-0000-4000-8000-000000000000",
            user_id=user_id,
            asked_by=user_id,
            model=model,
            type=JobType.INFERENCE,
            path="/v1/completions",
            body=b'{"prompt": "To be or"}',
            priority=priority,
            timeout_s=LEASE_S,
            digest="0" * 64,
            prompt_tokens=11,
            output_tokens=42,
            callback_url=url,
            batch_id=batch or None,
        )
        return queue.submit([job])[0].id

    def begin() -> Claim:
        [claim] = queue.claim("sample/1", ClaimRequest(models={model: 1}))
        queue.begun(claim, f"{model}@1", "cpu-0")
        return claim

    completed = add(1, url="https://example.com/done")
    end = JobEnd(status=JobStatus.COMPLETED, result=ANSWER, result_status=200, output_tokens=42)
    queue.finish(begin(), end)
    failed = add(2)
    broken = JobEnd(status=JobStatus.FAILED, error_code="engine_failed", error="The engine ended.")
    queue.finish(begin(), broken)
    running = add(3)
    begin()
    _batch(db, user_id, model)
    waiting = [add(number, priority=1, batch=BATCH) for number in range(4, 4 + WAITING)]
    return SampleRequests(completed, failed, running, waiting[0])


def _batch(db: Database, user_id: str, model: str) -> None:
    now = utc_now()
    row = BatchRow(
        id=BATCH,
        user_id=user_id,
        asked_by=user_id,
        status="in_progress",
        endpoint="/v1/completions",
        model=model,
        completion_window="24h",
        input_file_id="file-sample",
        total=WAITING,
        errors=[],
        about={},
        created_at=now,
        expires_at=now + timedelta(days=1),
        in_progress_at=now,
    )
    with db.begin() as session:
        session.add(row)
