"""Jobs that are stopped, or that no engine takes: its work ends, and nothing is counted wrongly."""

import asyncio

import anyio
import httpx2
import pytest

from modelyard.registry.jobs.job import JobStatus
from modelyard.serving.api.services import Services
from tests.serving.engines.processes import StartedEngine
from tests.serving.installation import Installation, once_it_speaks, state
from tests.serving.jobs.queued import Queued

pytestmark = pytest.mark.anyio

LONG = 400


async def once_idle(engine: StartedEngine) -> int:
    """How many tokens an engine has written once it has nothing to do."""
    with anyio.fail_after(60):
        while (told := await asyncio.to_thread(state, engine))["active"]:
            await asyncio.sleep(0.02)
    return int(told["generated_tokens"])


async def cancelled(client: httpx2.AsyncClient, job_id: str) -> None:
    """Cancel as its user does."""
    answer = await client.delete(f"/api/v1/requests/{job_id}")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def test_a_cancelled_job_frees_its_engine(installation: Installation) -> None:
    """Its connection is closed, so the engine writes no further; its progress was real."""
    version = installation.filled.add("talker")
    queued = Queued(installation)
    with installation.engine(version, delay_s=0.05) as engine:
        async with installation.opened(installation.ada, request_lease_s=1) as (client, services):
            job_id = queued.add("talker", max_tokens=LONG)
            await once_it_speaks(engine)
            with anyio.fail_after(60):
                while not (job := await asyncio.to_thread(queued.book.get, job_id)).progress:
                    await asyncio.sleep(0.05)
            assert job.progress < 1
            assert job.device_id == "cpu-0"
            await cancelled(client, job_id)
            assert await once_idle(engine) < LONG
            await none_in_hand(services)
    after = queued.book.get(job_id)
    assert (after.status, after.error_code) == (JobStatus.CANCELLED, None)


async def none_in_hand(services: Services) -> None:
    """Wait until this process has nothing in hand."""
    assert services.jobs.dispatcher is not None
    with anyio.fail_after(60):
        while len(services.jobs.dispatcher.in_hand):
            await asyncio.sleep(0.02)


async def test_a_job_cancelled_elsewhere_is_given_up_here(installation: Installation) -> None:
    """Another process' cancellation is heard of, or seen."""
    version = installation.filled.add("talker")
    queued = Queued(installation)
    with installation.engine(version, delay_s=0.05) as engine:
        async with installation.opened(installation.ada) as (_, services):
            job_id = queued.add("talker", max_tokens=LONG)
            await once_it_speaks(engine)
            await asyncio.to_thread(queued.queue.cancel, job_id)
            assert await once_idle(engine) < LONG
            await none_in_hand(services)
            assert services.metrics.jobs.lost == 1


async def test_a_timeout_stops_the_engine(lite: Installation) -> None:
    """It counts from the submission; what was begun ends then."""
    version = lite.filled.add("talker")
    queued = Queued(lite)
    with lite.engine(version, delay_s=0.05) as engine:
        async with lite.opened(lite.ada) as (_, services):
            (job,) = await queued.ended(queued.add("talker", max_tokens=LONG, timeout_s=2))
            assert await once_idle(engine) < LONG
            await none_in_hand(services)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "timeout")


async def test_without_a_worker_a_job_waits_and_loses_no_attempt(lite: Installation) -> None:
    """It is given back; once an engine is there, it is done at the first try."""
    version = lite.filled.add("talker")
    queued = Queued(lite)
    async with lite.opened(lite.ada) as (_, services):
        job_id = queued.add("talker", max_tokens=3)
        with anyio.fail_after(60):
            while not services.metrics.jobs.given_back["later"]:
                await asyncio.sleep(0.05)
        assert queued.book.get(job_id).status is JobStatus.QUEUED
        with lite.engine(version):
            (job,) = await queued.ended(job_id)
    assert (job.status, job.attempts) == (JobStatus.COMPLETED, 1)


async def test_a_job_that_breaks_each_time_is_given_up(lite: Installation) -> None:
    """Three tries; others' jobs are done meanwhile."""
    version = lite.filled.add("talker")
    queued = Queued(lite)
    with lite.engine(version):
        async with lite.opened(lite.ada):
            poison = queued.add(
                "talker", max_tokens=5, messages=[{"role": "user", "content": "[fail]"}]
            )
            bad, good = await queued.ended(poison, queued.add("talker", max_tokens=3))
    assert (bad.status, bad.error_code, bad.attempts) == (JobStatus.FAILED, "attempts_exhausted", 3)
    assert "asked for a failure" in str(bad.error)
    assert good.status is JobStatus.COMPLETED
