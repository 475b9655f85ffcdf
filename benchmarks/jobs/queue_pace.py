"""Jobs that are submitted and completed at the queue itself, by threads on both ends of it."""

import statistics
import threading
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.routing.report import quantile
from modelyard.registry.database import Database
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import JobEnd, JobStatus, JobType, NewJob
from modelyard.registry.jobs.queue import JobQueue

MODEL = "benchmark/talker"
BODY = b'{"model": "benchmark/talker", "prompt": "Say", "max_tokens": 16}'
RESULT = b'{"choices": [{"text": "All the world is a stage"}]}'
SUBMITTERS = 4
CLAIMERS = 2
AT_ONCE = 32
"""Jobs that one claim takes, and that end together."""

READ_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class QueuePace:
    """Jobs per second from the first submission to the last end; status reads took p50, p99 ms."""

    per_second: float
    read_p50_ms: float
    read_p99_ms: float


@dataclass(slots=True)
class StatusReader:
    """Asks for one job again and again while others work."""

    book: JobBook
    took: list[float] = field(default_factory=list[float])

    @contextmanager
    def reading(self, job_id: str) -> Generator[None]:
        over = threading.Event()

        def read() -> None:
            while not over.wait(READ_EVERY_S):
                began = time.perf_counter()
                self.book.get(job_id)
                self.took.append((time.perf_counter() - began) * 1000)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def drafts(count: int, users: int = 20, priorities: int = 5) -> list[NewJob]:
    """Jobs of many users and of every priority."""
    return [
        NewJob(
            id=str(uuid.uuid4()),
            user_id=f"user-{number % users}",
            asked_by=f"user-{number % users}",
            model=MODEL,
            type=JobType.INFERENCE,
            path="/v1/completions",
            body=BODY,
            priority=1 + number % priorities,
            timeout_s=86_400.0,
            digest="0" * 64,
            prompt_tokens=8,
            output_tokens=16,
        )
        for number in range(count)
    ]


def pace(db: Database, count: int) -> QueuePace:
    """Submit so many, one a transaction, while others claim and end them."""
    queue = JobQueue(db)
    [first] = queue.submit(drafts(1))
    work = drafts(count)
    done = JobCountdown(count + 1)
    reader = StatusReader(JobBook(db))
    submitters = [_thread(_submit, queue, work[at::SUBMITTERS]) for at in range(SUBMITTERS)]
    claimers = [_thread(_complete, queue, f"bench/{at}", done) for at in range(CLAIMERS)]
    with reader.reading(first.id):
        began = time.perf_counter()
        for thread in (*submitters, *claimers):
            thread.start()
        for thread in (*submitters, *claimers):
            thread.join()
        took = time.perf_counter() - began
    return QueuePace(count / took, statistics.median(reader.took), quantile(reader.took, 0.99))


@dataclass(slots=True)
class JobCountdown:
    """Counts ends, over all threads."""

    left: int
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def down(self, by: int) -> None:
        with self.lock:
            self.left -= by
            if self.left <= 0:
                self.over.set()


def _thread(act: Callable[..., None], *given: object) -> threading.Thread:
    return threading.Thread(target=act, args=given)


def _submit(queue: JobQueue, work: Sequence[NewJob]) -> None:
    for job in work:
        queue.submit([job])


def _complete(queue: JobQueue, claimer: str, done: JobCountdown) -> None:
    end = JobEnd(status=JobStatus.COMPLETED, result=RESULT, result_status=200, output_tokens=16)
    while not done.over.is_set():
        claims = queue.claim(claimer, ClaimRequest(models={MODEL: AT_ONCE}))
        if not claims:
            time.sleep(0.002)
            continue
        done.down(len(queue.finish_all([(claim, end) for claim in claims])))
