"""Whatever happens at the same moment, a job has one holder, one end and one row."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from modelyard.registry.database import Database
from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.jobs.errors import JobEnded, JobIdTaken
from modelyard.registry.jobs.job import JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.notices.notice_book import NoticeBook
from tests.registry.jobs.jobs import BOOT, DONE, new_job, wants

T = TypeVar("T")


@pytest.fixture
def queue(db: Database) -> JobQueue:
    return JobQueue(db)


def at_once(*tasks: Callable[[], T]) -> list[T]:
    """What each gave, all begun at the same moment, each with a connection of its own."""
    ready = threading.Barrier(len(tasks))

    def run(task: Callable[[], T]) -> T:
        ready.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as threads:
        return list(threads.map(run, tasks))


def test_one_id_many_times_at_once_is_one_job(queue: JobQueue) -> None:
    """All are answered alike; with another digest all are refused."""
    job = new_job()
    answers = at_once(*[lambda: queue.submit([job])] * 20)
    assert {answer[0].id for answer in answers} == {job.id}
    assert len({answer[0] == answers[0][0] for answer in answers}) == 1
    assert JobBook(queue.db).counts(JobFilter()) == {JobStatus.QUEUED: 1}
    other = new_job(id=job.id, digest="another")

    def refused() -> bool:
        with pytest.raises(JobIdTaken):
            queue.submit([other])
        return True

    assert all(at_once(*[refused] * 5))


def test_no_job_is_claimed_by_two(queue: JobQueue) -> None:
    """And together they take all there is."""
    queue.submit([new_job(user_id=f"user-{n % 3}", priority=1 + n % 5) for n in range(60)])

    def claim() -> list[str]:
        mine = list[str]()
        while some := queue.claim(BOOT, wants(4)):
            mine += [claim.job.id for claim in some]
        return mine

    taken = [id_ for ids in at_once(*[claim] * 6) for id_ in ids]
    taken += claim()  # what was locked by another for all rounds
    assert len(taken) == len(set(taken)) == 60


def test_of_cancel_finish_and_sweep_one_wins(queue: JobQueue) -> None:
    """The job's status, its result and its notice say the same."""
    book = JobBook(queue.db)
    for _ in range(15):
        (job,) = queue.submit([new_job()])
        (claim,) = queue.claim(BOOT, wants(1))

        def cancel(id_: str = job.id) -> str:
            try:
                return queue.cancel(id_).status
            except JobEnded:
                return ""

        finished, cancelled, _again = at_once(
            lambda claim=claim: "completed" if queue.finish(claim, DONE) else "",
            cancel,
            lambda claim=claim: "completed" if queue.finish(claim, DONE) else "",
        )
        ended = book.get(job.id)
        winners = [one for one in (finished, cancelled, _again) if one]
        assert winners == [ended.status]
        assert (book.result(job.id) is not None) == (ended.status == "completed")
    told = [one for one in NoticeBook(queue.db).after(0) if one.kind == "request.ended"]
    assert len(told) == 15


def test_sweeps_at_once_take_a_lapsed_job_back_once(queue: JobQueue) -> None:
    """Its fence is raised once, and its attempts are counted once."""
    hasty = JobQueue(queue.db, lease_s=0.0)
    hasty.submit([new_job() for _ in range(10)])
    claims = hasty.claim(BOOT, wants(10))
    swept = at_once(*[hasty.sweep] * 4)
    assert sum(len(one.queued) for one in swept) == 10
    again = queue.claim(BOOT, wants(10))
    assert {claim.job.attempts for claim in again} == {2}
    assert {claim.fence for claim in again} == {claims[0].fence + 2}
