"""What is asked about jobs: pages of them, a batch's, results, and what is forgotten."""

from datetime import timedelta

import pytest

from modelyard.registry.callbacks.tables import CallbackRow
from modelyard.registry.database import Database
from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.jobs.errors import UnknownJob
from modelyard.registry.jobs.job import ENDS, JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.notices.notice_book import NoticeBook
from tests.registry.jobs.jobs import BOOT, DONE, FAILED, Watch, new_job, wants


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def queue(db: Database, watch: Watch) -> JobQueue:
    return JobQueue(db, now=watch.now)


def test_pages_show_each_job_once_the_newest_first(queue: JobQueue, watch: Watch) -> None:
    """Also where many were handed in at the same moment, and with filters."""
    book = JobBook(queue.db)
    for n in range(3):
        queue.submit([new_job(user_id=user, model=f"m{n}") for user in ("ada", "ada", "bob")])
        watch.move(1)
    seen = list[str]()
    page = book.list(JobFilter(user_id="ada"), None, 4)
    while page:
        seen += [job.id for job in page]
        page = book.list(JobFilter(user_id="ada"), (page[-1].submitted_at, page[-1].id), 4)
    assert len(seen) == len(set(seen)) == 6
    assert {job.model for job in book.list(JobFilter(), None, 3)} == {"m2"}
    since = watch.at - timedelta(seconds=2)
    (middle,) = book.list(
        JobFilter(since=since, until=watch.at - timedelta(seconds=1), user_id="bob"), None, 9
    )
    assert middle.model == "m1"
    assert book.list(JobFilter(model="m0", statuses=[JobStatus.FAILED]), None, 9) == []


def test_anothers_job_is_answered_as_a_missing_one(queue: JobQueue) -> None:
    """The words name nothing but the id that was asked for."""
    (job,) = queue.submit([new_job()])
    book = JobBook(queue.db)
    for user in ("bob", "nobody"):
        with pytest.raises(UnknownJob, match=f"There is no request '{job.id}'"):
            book.get(job.id, user)


def test_a_batch_is_cancelled_as_one(queue: JobQueue) -> None:
    """What has ended stays as it ended; no line has a notice of its own."""
    book = JobBook(queue.db)
    lines = queue.submit([new_job(batch_id="b", place=n, user_id="ada") for n in range(1, 6)])
    done, held = queue.claim(BOOT, wants(2))
    queue.finish(done, DONE)
    assert queue.cancel_batch("b") == 4
    assert not queue.finish(held, DONE)
    counts = book.counts(JobFilter(batch_id="b"))
    assert counts == {JobStatus.COMPLETED: 1, JobStatus.CANCELLED: 4}
    assert [job.place for job in book.of_batch("b", ENDS, 2, 2)] == [3, 4]
    assert set(book.results([job.id for job in lines])) == {done.job.id}
    assert NoticeBook(queue.db).after(0) == []


def test_the_end_of_a_job_enters_its_callback(queue: JobQueue, db: Database) -> None:
    """Once, with what it came to, whichever end it was; one that was given back is not called."""
    queue.submit([new_job(callback_url="https://ada.example/done") for _ in range(4)])
    queue.submit([new_job(callback_url="https://ada.example/done", timeout_s=1, priority=1)])
    done, failed, back, cancelled = queue.claim(BOOT, wants(4))
    queue.give_back(back, "later", wait_s=9, is_attempt=False)
    assert [job.id for job in queue.finish_all([(done, DONE), (failed, FAILED)])]
    queue.cancel(cancelled.job.id)
    JobQueue(db, now=Watch(done.job.deadline - timedelta(seconds=60)).now).sweep()
    with db.read() as session:
        entered = {row.kind: row for row in session.query(CallbackRow)}
    assert entered.keys() == {"request.completed", "request.failed", "request.cancelled"}
    completed = entered["request.completed"]
    assert (completed.subject, completed.user_id) == (done.job.id, "ada")
    assert b'"result":{"id":"r"}' in completed.body


def test_jobs_that_ended_long_ago_are_forgotten(db: Database) -> None:
    """With what was handed in and what came out; a job that has not ended never is."""
    queue = JobQueue(db)
    queue.submit([new_job(), new_job()])
    (claim,) = queue.claim(BOOT, wants(1))
    queue.finish(claim, DONE)
    assert queue.forget(timedelta(days=1)) == 0
    assert queue.forget(timedelta(0)) == 1
    book = JobBook(db)
    assert (book.body(claim.job.id), book.result(claim.job.id)) == (None, None)
    assert book.counts(JobFilter()) == {JobStatus.QUEUED: 1}


def test_the_backlog_says_what_waits(queue: JobQueue, watch: Watch) -> None:
    """By model and priority, with the oldest and the tokens that it may take."""
    queue.submit([new_job(prompt_tokens=10) for _ in range(2)])
    watch.move(5)
    queue.submit([new_job(priority=5, model="n"), new_job()])
    urgent, usual = queue.backlog()
    assert (urgent.model, urgent.priority, urgent.waiting) == ("n", 5, 1)
    assert (usual.waiting, usual.prompt_tokens, usual.output_tokens) == (3, 20, 300)
    assert usual.oldest_at == watch.at - timedelta(seconds=5)
