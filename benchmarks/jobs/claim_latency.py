"""What one claim takes while many jobs wait, of many users and every priority."""

import time

from benchmarks.jobs.queue_pace import MODEL, drafts
from benchmarks.routing.report import quantile
from modelyard.registry.database import Database
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.limits import QueueLimits
from modelyard.registry.jobs.queue import JobQueue

AT_ONCE = 1000
TAKEN = 8


def claims(db: Database, queued: int, count: int) -> tuple[float, float]:
    """p50 and p99 ms of `count` claims of TAKEN jobs each, while `queued` wait."""
    queue = JobQueue(db, QueueLimits(10 * queued, 10 * queued))
    work = drafts(queued)
    for at in range(0, queued, AT_ONCE):
        queue.submit(work[at : at + AT_ONCE])
    took = list[float]()
    for number in range(count + 5):
        began = time.perf_counter()
        queue.claim("bench/1", ClaimRequest(models={MODEL: TAKEN}))
        if number >= 5:  # the first ones prepare statements and pages
            took.append((time.perf_counter() - began) * 1000)
    return quantile(took, 0.5), quantile(took, 0.99)
