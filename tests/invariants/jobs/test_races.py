"""What happens at the same moment, by real threads on real databases, has one outcome."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from modelyard.registry.callbacks.tables import CallbackRow
from modelyard.registry.database import Database, new_id
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.errors import JobEnded, JobIdTaken
from modelyard.registry.jobs.job import Claim, JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.tables import JobRow
from modelyard.registry.notices.tables import NoticeRow
from tests.registry.jobs.jobs import BOOT, DONE, new_job, wants

THREADS = 8
SAME = 100
RACES = 25
"""Requests with one id, and cancels that race a completion; with --soak 10,000 of these."""


def at_once(*acts: Callable[[], object]) -> list[Any]:
    """What each returned, begun at the same moment."""
    start = threading.Barrier(len(acts))

    def begin(act: Callable[[], object]) -> object:
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(begin, acts))


def count(db: Database, *what: Any) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).where(*what)) or 0


def test_one_id_a_hundred_times_at_once_is_one_request(db: Database) -> None:
    """All get the same answer; the same id with another body is a conflict, whenever it comes."""
    queue = JobQueue(db)
    same = new_job(id=new_id())
    other = new_job(id=same.id, digest="other")

    def submit(number: int) -> str:
        try:
            [job] = queue.submit([same if number % 10 else other])
        except JobIdTaken:
            return "taken"
        return job.digest

    with ThreadPoolExecutor(THREADS) as pool:
        answers = Counter(pool.map(submit, range(SAME)))
    assert count(db, JobRow.id == same.id) == 1
    first = JobBook(db).get(same.id).digest
    wins, losses = (90, 10) if first == same.digest else (10, 90)
    assert answers == {first: wins, "taken": losses}


def cancelled(queue: JobQueue, job_id: str) -> bool:
    try:
        queue.cancel(job_id)
    except JobEnded:
        return False
    return True


def test_a_cancel_that_races_a_completion_has_one_winner(db: Database, full_length: int) -> None:
    """Exactly one is told that it won; its end is the job's, told once, with one callback."""
    queue = JobQueue(db)
    for _ in range(10_000 if full_length > 1 else RACES):
        queue.submit([new_job(callback_url="https://example.com/done")])
        [claim] = queue.claim(BOOT, wants(1))
        job_id = claim.job.id
        was_finished, was_cancelled = at_once(
            lambda held=claim: queue.finish(held, DONE), lambda id_=job_id: cancelled(queue, id_)
        )
        assert was_finished is not was_cancelled
        job = JobBook(db).get(job_id)
        assert job.status is (JobStatus.COMPLETED if was_finished else JobStatus.CANCELLED)
        told = NoticeRow.data["request_id"].as_string() == job_id
        assert count(db, NoticeRow.kind == "request.ended", told) == 1
        assert count(db, CallbackRow.subject == job_id) == 1


def test_no_job_is_given_to_two(db: Database) -> None:
    """Claims at the same moment take different jobs, and all of them together take all."""
    queue = JobQueue(db)
    ids = {job.id for job in queue.submit([new_job() for _ in range(60)])}

    def claim_all(number: int) -> Sequence[Claim]:
        taken = list[Claim]()
        while claims := queue.claim(f"w/{number}", wants(4)):
            taken += claims
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [claim.job.id for claims in pool.map(claim_all, range(4)) for claim in claims]
    assert len(taken) == len(set(taken))
    assert set(taken) == ids


@pytest.mark.parametrize("stale", ["finish", "give_back", "begun"])
def test_whoever_lost_its_lease_changes_nothing(db: Database, stale: str) -> None:
    """Frozen past its lease, it comes back and says how the job ended: nobody listens."""
    queue = JobQueue(db, lease_s=0.0)
    queue.submit([new_job()])
    [old] = queue.claim("frozen/1", wants(1))
    queue.sweep()
    [new] = JobQueue(db).claim("other/1", wants(1))
    before = JobBook(db).get(new.job.id)
    said: dict[str, Callable[[], bool]] = {
        "finish": lambda: queue.finish(old, DONE),
        "give_back": lambda: queue.give_back(old, "late", wait_s=0.0, is_attempt=True),
        "begun": lambda: queue.begun(old, "m@1", "cpu-0"),
    }
    assert said[stale]() is False
    assert JobBook(db).get(new.job.id) == before
    assert JobQueue(db).finish(new, DONE)
