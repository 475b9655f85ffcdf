"""A process that is killed with jobs in hand loses none of them, at whatever moment."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from modelyard.registry.database import Database
from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.jobs.job import JobStatus
from modelyard.registry.jobs.queue import JobQueue
from tests.registry.jobs.jobs import BOOT, DONE, new_job, wants

_WORK = """
import sys
from modelyard.registry.database import Database
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import JobEnd, JobStatus
from modelyard.registry.jobs.queue import JobQueue
queue = JobQueue(Database.connect(sys.argv[1]), lease_s=0.5)
end = JobEnd(status=JobStatus.COMPLETED, result=b"{}")
while claims := queue.claim("worker/1", ClaimRequest(models={"m": 3})):
    print(len(claims), flush=True)
    sys.stdin.readline()
    print(sum(queue.finish(claim, end) for claim in claims), flush=True)
"""


@pytest.fixture
def worker(database_url: str, db: Database) -> subprocess.Popen[str]:
    JobQueue(db).submit([new_job() for _ in range(3)])
    return subprocess.Popen(
        [sys.executable, "-c", _WORK, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def claims_after_the_lease(queue: JobQueue) -> int:
    """Sweep until the worker's jobs wait again, and take them."""
    until = time.monotonic() + 60
    while not queue.sweep().queued and time.monotonic() < until:
        time.sleep(0.05)
    return len(queue.claim(BOOT, wants(9)))


@pytest.mark.slow(seconds=8)
def test_what_a_killed_process_had_in_hand_is_taken_by_another(
    worker: subprocess.Popen[str], db: Database
) -> None:
    """After its lease, and not before."""
    with worker:
        assert worker.stdout
        assert worker.stdout.readline() == "3\n"
        worker.kill()
        worker.communicate()
    assert claims_after_the_lease(JobQueue(db)) == 3


@pytest.mark.slow(seconds=8)
def test_a_frozen_process_finishes_nothing_that_another_has(
    worker: subprocess.Popen[str], db: Database
) -> None:
    """It stood still past its lease, and goes on as if nothing had been."""
    queue = JobQueue(db)
    with worker:
        assert worker.stdin
        assert worker.stdout
        assert worker.stdout.readline() == "3\n"
        psutil.Process(worker.pid).send_signal(signal.SIGSTOP)
        assert claims_after_the_lease(queue) == 3
        psutil.Process(worker.pid).send_signal(signal.SIGCONT)
        out, _ = worker.communicate("go\n", timeout=60)
    assert out == "0\n"
    assert JobBook(db).counts(JobFilter()) == {JobStatus.PROCESSING: 3}


def test_what_was_handed_in_with_a_transaction_that_failed_is_not_there(db: Database) -> None:
    """All or nothing, with whatever else the caller wrote."""
    queue = JobQueue(db)

    def fail() -> None:
        with db.begin() as session:
            queue.submit([new_job()], session)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert queue.claim(BOOT, wants(1)) == []
    queue.submit([new_job()])
    (claim,) = queue.claim(BOOT, wants(2))
    assert queue.finish(claim, DONE)
