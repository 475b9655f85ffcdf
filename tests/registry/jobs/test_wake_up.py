"""Whoever waits for jobs hears at once of those that another process handed in."""

import asyncio
from collections.abc import Generator
from contextlib import suppress

import pytest

from modelyard.registry.changes import Changes
from modelyard.registry.database import Database
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.wake_up import JobSignal, JobWakeUp
from tests.registry.jobs.jobs import new_job
from tests.servers.redis import running_redis

WITHIN_S = 30


@pytest.fixture(scope="module")
def redis_url() -> Generator[str]:
    with running_redis() as server:
        yield server.url


async def hears(wake_up: JobWakeUp, queue: JobQueue) -> list[JobSignal]:
    """What a listener hears from when a job is handed in to when it is cancelled."""
    heard = list[JobSignal]()
    woken = asyncio.Event()

    def hear(signal: JobSignal) -> None:
        heard.append(signal)
        woken.set()

    async def until(signal: JobSignal) -> None:
        while signal not in heard:
            woken.clear()
            await asyncio.wait_for(woken.wait(), WITHIN_S)

    listening = asyncio.create_task(wake_up.listen(hear))
    try:
        async with asyncio.timeout(WITHIN_S):
            while not wake_up.is_heard:
                await asyncio.sleep(0.01)
        heard.clear()
        (job,) = await asyncio.to_thread(queue.submit, [new_job()])
        await until(JobSignal.WAITING)
        await asyncio.to_thread(queue.cancel, job.id)
        await until(JobSignal.CANCELLED)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
    return heard


async def test_postgresql_tells(postgres_url: str) -> None:
    """By NOTIFY, in the transaction of the jobs."""
    db = Database.connect(postgres_url)
    heard = await hears(JobWakeUp(postgres_url), JobQueue(db))
    db.close()
    assert set(heard) == {*JobSignal}


async def test_redis_tells(redis_url: str, db: Database) -> None:
    """Where there is one, with either database."""
    changes = Changes.to(redis_url, answer_s=WITHIN_S)
    changes.follow(db)
    heard = await hears(JobWakeUp("sqlite://", redis_url), JobQueue(db))
    changes.client.close()
    assert {JobSignal.WAITING, JobSignal.CANCELLED} <= set(heard)


async def test_sqlite_alone_tells_nobody() -> None:
    """Listening ends at once, and polling is what is left."""
    wake_up = JobWakeUp("sqlite:///x.db")
    await wake_up.listen(pytest.fail)
    assert not wake_up.is_heard
