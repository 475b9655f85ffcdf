"""Urgent jobs are first, users take turns, and no job waits for ever."""

import pytest

from modelyard.registry.database import Database
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.job import JobType
from modelyard.registry.jobs.limits import AGEING_S
from modelyard.registry.jobs.queue import JobQueue
from tests.registry.jobs.jobs import BOOT, Watch, new_job, wants


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def queue(db: Database, watch: Watch) -> JobQueue:
    return JobQueue(db, now=watch.now)


def claimed(queue: JobQueue, most: int) -> list[str]:
    return [claim.job.id for claim in queue.claim(BOOT, wants(most))]


def test_the_more_urgent_go_first(queue: JobQueue) -> None:
    """Whenever they came; the place in the queue says the same."""
    jobs = queue.submit([new_job(priority=p) for p in (1, 3, 5, 2, 4)])
    urgent_first = sorted(jobs, key=lambda job: -job.priority)
    book = JobBook(queue.db)
    assert [book.place_of(job) for job in urgent_first] == [1, 2, 3, 4, 5]
    assert claimed(queue, 2) + claimed(queue, 5) == [job.id for job in urgent_first]


def test_a_claim_leaves_what_it_did_not_ask_for(queue: JobQueue) -> None:
    """Other models, less urgent jobs, and what Prefect runs."""
    queue.submit(
        [
            new_job(id="low", priority=1),
            new_job(id="other", model="n"),
            new_job(id="flow", type=JobType.TRAINING),
        ]
    )
    assert queue.claim(BOOT, wants(5, least_priority=2)) == []
    assert [claim.job.id for claim in queue.claim(BOOT, wants(1, "m", "n"))] == ["low", "other"]
    (flow,) = queue.claim(BOOT, wants(0, flows=2))
    assert flow.job.id == "flow"


def test_users_take_turns(queue: JobQueue) -> None:
    """Who handed in twenty waits for their own; who comes later with one is next, or after one."""
    queue.submit([new_job(user_id="ada") for _ in range(20)])
    queue.claim(BOOT, wants(5))
    (late,) = queue.submit([new_job(user_id="bob")])
    assert late.id in claimed(queue, 2)


def test_a_long_job_counts_as_much_as_many_short_ones(queue: JobQueue) -> None:
    """A turn is measured in tokens: beside one who asks for ten times as many, ten go."""
    queue.submit([new_job(user_id="ada", output_tokens=1000) for _ in range(5)])
    queue.submit([new_job(user_id="bob", output_tokens=100) for _ in range(30)])
    of = [claim.job.user_id for claim in queue.claim(BOOT, wants(22))]
    assert of.count("bob") == pytest.approx(20, abs=1)


def test_of_those_whose_turn_is_the_same_the_earliest_deadline_goes_first(queue: JobQueue) -> None:
    """Each has waited for none of their own."""
    timeouts = {"ada": 30, "bob": 10, "eve": 20}
    queue.submit([new_job(user_id=user, timeout_s=s) for user, s in timeouts.items()])
    of = [claim.job.user_id for claim in queue.claim(BOOT, wants(3))]
    assert of == ["bob", "eve", "ada"]


def test_the_least_urgent_job_waits_no_longer_than_its_ageing(
    queue: JobQueue, watch: Watch
) -> None:
    """Under constant work of the highest priority; and no urgent job waits for it any sooner."""
    queue.submit([new_job(id="least", priority=1, user_id="bob"), new_job(priority=5)])
    steps = 0
    while "least" not in claimed(queue, 1):
        queue.submit([new_job(priority=5)])
        watch.move(AGEING_S)
        steps += 1
    assert 4 <= steps <= 7


def test_an_old_job_does_not_push_newer_ones_of_its_priority(queue: JobQueue, watch: Watch) -> None:
    """What one user's long wait earns is theirs: nobody else goes before the urgent by it."""
    queue.submit([new_job(user_id="ada", priority=1) for _ in range(3)])
    watch.move(AGEING_S * 6)
    queue.submit([new_job(id="new", user_id="bob", priority=1)])
    queue.submit([new_job(id="urgent", user_id="eve", priority=5)])
    order = claimed(queue, 5)
    assert order.index("urgent") == 3
    assert order.index("new") == 4
