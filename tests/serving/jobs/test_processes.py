"""Dispatchers that end in mid-work, in every way: each job ends once all the same."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import func, select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.jobs.job import Job, JobStatus
from modelyard.registry.notices.tables import NoticeRow
from tests.serving.engines.processes import StartedEngine
from tests.serving.installation import METRICS_TOKEN, Installation, once_it_speaks, state
from tests.serving.jobs.dispatchers import dispatcher_process
from tests.serving.jobs.queued import Queued
from tests.serving.processes import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow(seconds=20)]

SHORT = {"request_lease_s": 4}


def ends(installation: Installation, job: Job) -> int:
    """How often listeners were told that the job has ended."""
    told = select(func.count()).where(
        NoticeRow.kind == "request.ended",
        NoticeRow.data["request_id"].as_string() == job.id,
    )
    with installation.database.read() as session:
        return session.scalar(told) or 0


def booked(installation: Installation, job_id: str) -> list[str]:
    """The statuses of a job's rows of usage: one, whatever it was tried."""
    mine = select(UsageRow.status).where(UsageRow.request_id == job_id).order_by(UsageRow.at)
    with installation.database.read() as session:
        return [*session.scalars(mine)]


def idle(engine: StartedEngine) -> bool:
    return bool(state(engine)["active"] == 0)


async def test_what_a_killed_dispatcher_had_another_ends_once(
    installation: Installation, tmp_path: Path
) -> None:
    """Kill -9 in mid-request: its lease lapses, the next one takes it, and it is booked once."""
    version = installation.filled.add("talker")
    queued = Queued(installation)
    with installation.engine(version, delay_s=0.05) as engine:
        job_id = queued.add("talker", max_tokens=60)
        with dispatcher_process(installation, tmp_path, **SHORT) as first:
            await once_it_speaks(engine)
            await asyncio.to_thread(first.kill)
        with dispatcher_process(installation, tmp_path, **SHORT) as second:
            (job,) = await queued.ended(job_id)
            second.process.terminate()
            assert await asyncio.to_thread(second.process.wait, 60) == 0
    assert (job.status, job.attempts) == (JobStatus.COMPLETED, 2)
    assert ends(installation, job) == 1
    assert booked(installation, job_id) == ["200"]


async def test_a_frozen_dispatcher_changes_nothing_once_it_goes_on(
    installation: Installation, tmp_path: Path
) -> None:
    """SIGSTOP past its lease: another ends the job, and what the first one says is refused."""
    version = installation.filled.add("talker")
    queued = Queued(installation)
    with installation.engine(version, delay_s=0.05) as engine:
        job_id = queued.add("talker", max_tokens=60)
        with dispatcher_process(installation, tmp_path, **SHORT) as first:
            await once_it_speaks(engine)
            await asyncio.to_thread(first.freeze)
            with dispatcher_process(installation, tmp_path, **SHORT):
                (job,) = await queued.ended(job_id)
                first.go_on()
                await asyncio.to_thread(until, lambda: lost(first.url) == 1)
            after = queued.book.get(job_id)
    assert (job.status, job.attempts) == (JobStatus.COMPLETED, 2)
    assert after == job
    assert ends(installation, job) == 1


def asked(url: str, token: str) -> set[int]:
    """What a dispatcher's paths answer."""
    headers = {"Authorization": f"Bearer {token}"}
    paths = ("/metrics", "/health/live", "/health/ready")
    with httpx2.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        return {client.get(path).status_code for path in paths}


def lost(url: str) -> int:
    """How many jobs a dispatcher says to have lost."""
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    text = httpx2.get(f"{url}/metrics", headers=headers, timeout=60, trust_env=False).text
    (line,) = [x for x in text.splitlines() if x.startswith("modelyard_jobs_leases_lost_total ")]
    return int(float(line.split()[1]))


async def test_a_dispatcher_that_is_told_to_end_gives_its_work_back(
    lite: Installation, tmp_path: Path
) -> None:
    """SIGTERM: what is short ends; what is long waits again at once, with no attempt lost.

    Until then its measures and its health are there for whoever has Prometheus' token.
    """
    version = lite.filled.add("talker")
    queued = Queued(lite)
    with lite.engine(version, delay_s=0.05) as engine:
        short = queued.add("talker", max_tokens=40)
        long = queued.add("talker", max_tokens=4000)
        with dispatcher_process(lite, tmp_path) as dispatcher:
            await queued.once(long, JobStatus.PROCESSING)
            await once_it_speaks(engine)
            assert (asked(dispatcher.url, "somebody"), asked(dispatcher.url, METRICS_TOKEN)) == (
                {401},
                {200},
            )
            dispatcher.process.terminate()
            assert await asyncio.to_thread(dispatcher.process.wait, 60) == 0
        until(lambda: idle(engine))
        (done,) = await queued.ended(short)
        back = queued.book.get(long)
    assert (done.status, done.attempts) == (JobStatus.COMPLETED, 1)
    assert (back.status, back.attempts, back.claimer) == (JobStatus.QUEUED, 0, None)
