"""A job is written once, is in one process's hands at a time, and gets to one end."""

from collections.abc import Mapping

import pytest

from modelyard.registry.database import Database
from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.jobs.errors import (
    JobEnded,
    JobIdTaken,
    QueueFull,
    UnknownJob,
    UserQueueFull,
)
from modelyard.registry.jobs.holding import JobProgress
from modelyard.registry.jobs.job import Job, JobStatus
from modelyard.registry.jobs.limits import MOST_ATTEMPTS, MOST_LAPSES, QueueLimits
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.notices.notice_book import NoticeBook
from tests.registry.jobs.jobs import BOOT, DONE, Watch, new_job, wants


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def queue(db: Database, watch: Watch) -> JobQueue:
    return JobQueue(db, now=watch.now)


def test_a_job_goes_from_its_submission_to_its_end(queue: JobQueue, db: Database) -> None:
    """Each step is seen in the book and told by a notice."""
    book = JobBook(db)
    (job,) = queue.submit([new_job()])
    assert (job.status, book.place_of(job)) == (JobStatus.QUEUED, 1)
    (claim,) = queue.claim(BOOT, wants(5))
    assert (claim.body, claim.job.attempts, claim.job.claimer) == (b'{"messages":[]}', 1, BOOT)
    assert queue.begun(claim, "m@2", "gpu-0")
    assert queue.extend(BOOT, [claim], {job.id: JobProgress(0.5)}).lost == frozenset()
    held = book.get(job.id, "ada")
    assert (held.status, held.device_id, held.progress) == (JobStatus.PROCESSING, "gpu-0", 0.5)
    assert queue.finish(claim, DONE)
    ended = book.get(job.id)
    assert (ended.status, ended.progress, ended.output_tokens) == (JobStatus.COMPLETED, 1.0, 3)
    assert (book.result(job.id), book.place_of(ended)) == (b'{"id":"r"}', 0)
    kinds = [notice.kind for notice in NoticeBook(db).after(0)]
    assert kinds == ["request.queued", "request.started", "request.progress", "request.ended"]


def test_the_same_id_again_is_the_same_job(queue: JobQueue) -> None:
    """With another digest or from another user it is refused, and all that came with it."""
    job = new_job()
    first = queue.submit([job])
    assert queue.submit([job, job]) == first * 2
    for other in (new_job(id=job.id, digest="e"), new_job(id=job.id, user_id="bob")):
        with pytest.raises(JobIdTaken):
            queue.submit([new_job(), other])
    assert len(queue.claim(BOOT, wants(9))) == 1


def test_a_lost_fence_changes_nothing(queue: JobQueue, watch: Watch) -> None:
    """A process that slept past its lease can't end what another has in hand."""
    queue.submit([new_job()])
    (stale,) = queue.claim("frozen", wants(1))
    watch.move(31)
    (back,) = queue.sweep().queued
    (claim,) = queue.claim(BOOT, wants(1))
    assert not queue.finish(stale, DONE)
    assert not queue.begun(stale, "m@1", "gpu-9")
    assert not queue.give_back(stale, "", wait_s=0, is_attempt=True)
    assert queue.extend("frozen", [stale], {}).lost == {back.id}
    assert queue.finish(claim, DONE)
    assert not queue.finish(claim, DONE)


def test_a_cancelled_job_is_lost_to_whoever_has_it(queue: JobQueue) -> None:
    """It has ended at once, waiting or not; what has ended can't be cancelled."""
    queue.submit([new_job(), new_job()])
    (claim,) = queue.claim(BOOT, wants(1))
    assert queue.cancel(claim.job.id).status is JobStatus.CANCELLED
    held = queue.extend(BOOT, [claim], {})
    assert (held.lost, held.cancelled) == ({claim.job.id}, {claim.job.id})
    assert not queue.finish(claim, DONE)
    with pytest.raises(JobEnded):
        queue.cancel(claim.job.id)
    with pytest.raises(UnknownJob):
        queue.cancel("nobody")


def test_a_poisonous_job_is_given_up(queue: JobQueue, watch: Watch) -> None:
    """After the engines that failed with it; lost processes count apart, most are innocent."""
    queue.submit([new_job(timeout_s=3600)])
    for attempt in range(1, MOST_ATTEMPTS + 1):
        queue.claim(BOOT, wants(1))
        watch.move(31)
        assert queue.sweep().given_up == []
        (failing,) = queue.claim(BOOT, wants(1))
        assert failing.job.attempts == 2 * attempt
        assert queue.give_back(failing, "It crashed.", wait_s=0, is_attempt=True)
    assert queue.claim(BOOT, wants(1)) == []
    assert queue_counts(queue) == {JobStatus.FAILED: 1}


def test_a_job_whose_process_is_always_lost_is_given_up(queue: JobQueue, watch: Watch) -> None:
    """However innocent processes may be, there is an end."""
    queue.submit([new_job(timeout_s=3600)])
    given_up = list[Job]()
    for _ in range(MOST_LAPSES):
        assert given_up == []
        queue.claim(BOOT, wants(1))
        watch.move(31)
        given_up += queue.sweep().given_up
    assert [job.error_code for job in given_up] == ["attempts_exhausted"]
    assert queue_counts(queue) == {JobStatus.FAILED: 1}


def queue_counts(queue: JobQueue) -> Mapping[JobStatus, int]:
    return JobBook(queue.db).counts(JobFilter())


def test_what_the_engine_had_no_time_for_is_no_attempt(queue: JobQueue, watch: Watch) -> None:
    """It waits as long as it was told to."""
    queue.submit([new_job()])
    for _ in range(MOST_ATTEMPTS + 1):
        (claim,) = queue.claim(BOOT, wants(1))
        assert queue.give_back(claim, "busy", wait_s=5, is_attempt=False)
        assert queue.claim(BOOT, wants(1)) == []
        assert claim.job.attempts == 1
        watch.move(5)


def test_a_timeout_counts_from_submission(queue: JobQueue, watch: Watch) -> None:
    """Of what waits and of what somebody has in hand, who has lost it then."""
    queue.submit([new_job(timeout_s=10), new_job(timeout_s=20), new_job(timeout_s=30)])
    (claim,) = queue.claim(BOOT, wants(1))
    watch.move(20)
    assert {job.error_code for job in queue.sweep().timed_out} == {"timeout"}
    assert not queue.finish(claim, DONE)
    assert len(queue.claim(BOOT, wants(3))) == 1


def test_a_full_queue_takes_all_or_nothing(db: Database) -> None:
    """Of one user, and of all together; what is known is answered also then."""
    queue = JobQueue(db, QueueLimits(queued=4, queued_of_user=2))
    first = new_job()
    queue.submit([first])
    with pytest.raises(UserQueueFull):
        queue.submit([new_job(), new_job()])
    queue.submit([new_job(), new_job(user_id="bob"), new_job(user_id="bob")])
    with pytest.raises(QueueFull, match="4 requests wait"):
        queue.submit([new_job(user_id="eve")])
    assert [job.id for job in queue.submit([first])] == [first.id]
