"""The ends of jobs reach the queue, whatever becomes of one of them."""

import asyncio
from dataclasses import replace

import pytest

from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import JobEnd, JobStatus
from modelyard.serving.background_task import background_task
from modelyard.serving.jobs.dispatch.lane import JobLane
from modelyard.serving.jobs.dispatch.settling import JobSettler
from modelyard.serving.jobs.running.job_run import JobTry
from modelyard.serving.observability.job_stats import JobStats
from tests.serving.installation import Installation
from tests.serving.jobs.queued import Queued

pytestmark = pytest.mark.anyio

DONE = JobEnd(status=JobStatus.COMPLETED, result=b"{}", result_status=200)


async def test_an_end_that_the_database_refuses_holds_up_no_other(
    installation: Installation,
) -> None:
    """That job is failed, with a code of its own; the others end as they do."""
    queued = Queued(installation)
    ids = [queued.add("talker") for _ in range(3)]
    claims = queued.queue.claim("here/boot", ClaimRequest(models={"talker": 3}))
    ends = dict.fromkeys(ids, DONE) | {ids[1]: replace(DONE, result_status=2**70)}
    stats = JobStats()
    lane = JobLane()
    settler = JobSettler(queued.queue, lane, stats)
    async with background_task(settler.run()):
        runs = [JobTry(claim, "") for claim in claims]
        await asyncio.gather(*(settler.settle(run, ends[run.claim.job.id]) for run in runs))
    await lane.close()
    jobs = [queued.book.get(id_) for id_ in ids]
    assert [job.status for job in jobs] == ["completed", "failed", "completed"]
    assert jobs[1].error_code == "result_unwritable"
    assert stats.lost == 0


async def test_an_end_whose_fence_was_lost_counts_as_lost(lite: Installation) -> None:
    """It was cancelled meanwhile: nothing is changed by what comes after."""
    queued = Queued(lite)
    job_id = queued.add("talker")
    (claim,) = queued.queue.claim("here/boot", ClaimRequest(models={"talker": 1}))
    queued.queue.cancel(job_id)
    stats = JobStats()
    lane = JobLane()
    settler = JobSettler(queued.queue, lane, stats)
    async with background_task(settler.run()):
        await settler.settle(JobTry(claim, ""), DONE)
    await lane.close()
    assert queued.book.get(job_id).status is JobStatus.CANCELLED
    assert (stats.lost, stats.ended.total()) == (1, 0)
