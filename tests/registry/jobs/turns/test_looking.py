"""Where looking is slow it begins at the jobs that wait, and still finds every one of them."""

import time
from dataclasses import replace

from modelyard.registry.database import Database
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.turns.looking import Looking
from tests.registry.jobs.jobs import BOOT, new_job, wants


def test_a_job_that_went_back_to_its_old_place_is_found_again(postgres_url: str) -> None:
    """At once by the process that gave it back, a moment later by every other."""
    db = Database.connect(postgres_url)
    queue = JobQueue(db, _looking=Looking(slow_s=0.0))
    other = replace(queue, _looking=Looking(slow_s=0.0))
    queue.submit([new_job() for _ in range(12)])
    first, second = queue.claim(BOOT, wants(2))
    assert len(queue.claim(BOOT, wants(2)) + other.claim(BOOT, wants(2))) == 4
    assert queue.give_back(first, "later", wait_s=0, is_attempt=False)
    (again,) = queue.claim(BOOT, wants(1))
    assert again.job.id == first.job.id
    queue.give_back(second, "later", wait_s=0, is_attempt=False)
    taken = set[str]()
    until = time.monotonic() + 30
    while len(taken) < 7 and time.monotonic() < until:
        taken |= {claim.job.id for claim in other.claim(BOOT, wants(1))}
    assert second.job.id in taken
    db.close()
