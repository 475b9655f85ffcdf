"""A user's quota bounds how urgent its requests are, and on how many devices they are at once."""

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager

import httpx2
import pytest

from modelyard.registry.billing.quota import QuotaChange
from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.api.services import Services
from tests.serving.engines.processes import StartedEngine, engine_process
from tests.serving.installation import TOKEN, Installation

pytestmark = pytest.mark.anyio

ASK = {"model": "talker", "prompt": "Say", "max_tokens": 4}


def _limit(installation: Installation, *, gpus: int = 0, priority: int = 5) -> None:
    ada = installation.identity.authenticate_key(installation.ada).user_id
    Quotas(installation.database).set(ada, QuotaChange(gpus, 0, priority, None))


async def _ask(client: httpx2.AsyncClient, priority: str = "", **more: object) -> httpx2.Response:
    headers = {"X-Modelyard-Priority": priority} if priority else {}
    return await client.post("/v1/completions", json={**ASK, **more}, headers=headers)


@contextmanager
def _held(*engines: StartedEngine) -> Generator[None]:
    """Engines that do nothing until the block ends: what is sent there stays there."""
    for engine in engines:
        engine.process.send_signal(signal.SIGSTOP)
    yield
    for engine in engines:
        engine.process.send_signal(signal.SIGCONT)


async def _once_there(services: Services, *, sent: int, held: int) -> None:
    """Wait until so many requests are on the workers, and so many are held for them."""
    workers = services.gateway.router.core.cluster.workers
    async with asyncio.timeout(60):
        while (sum(w.sent for w in workers), sum(len(w.held) for w in workers)) != (sent, held):
            await asyncio.sleep(0.01)


async def test_a_priority_above_the_user_s_limit_is_forbidden(lite: Installation) -> None:
    """The limit is named; at the limit, and where nothing is asked for, the answer comes."""
    _limit(lite, priority=2)
    with lite.engine(lite.filled.add("talker")):
        async with lite.client(lite.ada) as client:
            above = await _ask(client, "3")
            at = await _ask(client, "2")
            none = await _ask(client)
    assert (above.status_code, at.status_code, none.status_code) == (403, 200, 200)
    error = above.json()["error"]
    assert (error["type"], error["code"]) == ("permission_error", "forbidden")
    assert "limit of 2" in error["message"]


@pytest.mark.parametrize("wrong", ["0", "6", "urgent", "3.0", "-1"])
async def test_what_is_no_priority_is_named(lite: Installation, wrong: str) -> None:
    """An integer from 1 to 5 or nothing."""
    async with lite.client(lite.ada) as client:
        answer = await _ask(client, wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "X-Modelyard-Priority"


async def test_the_urgent_are_answered_first(lite: Installation) -> None:
    """Of those that wait for the one place, not who came first but who is most urgent."""
    version = lite.filled.add("talker")
    order = list[str]()

    async def ask(client: httpx2.AsyncClient, priority: str) -> None:
        assert (await _ask(client, priority)).status_code == 200
        order.append(priority)

    with lite.engine(version) as engine:
        lite.worker(slots=1)
        lite.ready(version, engine.url)
        async with lite.opened(lite.ada) as (client, services), asyncio.TaskGroup() as group:
            with _held(engine):
                group.create_task(ask(client, "3"))
                await _once_there(services, sent=1, held=0)
                for held, priority in enumerate(("1", "2", "5"), 1):
                    group.create_task(ask(client, priority))
                    await _once_there(services, sent=1, held=held)
    assert order == ["3", "5", "2", "1"]


@contextmanager
def _two(installation: Installation, version: ModelVersion) -> Generator[list[StartedEngine]]:
    options = {"delay_s": 0.02}
    engines = [
        engine_process(
            internal_token=TOKEN, version_id=version.id, model_name=version.model, options=options
        )
        for _ in range(2)
    ]
    with engines[0] as one, engines[1] as two:
        for number, engine in enumerate((one, two)):
            installation.worker(f"cpu-{number}")
            installation.ready(version, engine.url, f"cpu-{number}")
        yield [one, two]


@pytest.mark.parametrize(("limit", "devices"), [(0, 2), (1, 1)])
async def test_a_user_is_on_no_more_devices_than_the_quota_says(
    lite: Installation, limit: int, devices: int
) -> None:
    """Eight at once on two devices: all are answered, at any moment from as many as allowed."""
    _limit(lite, gpus=limit)
    seen = set[int]()
    with _two(lite, lite.filled.add("talker")) as engines:
        async with lite.opened(lite.ada) as (client, services):

            async def look() -> None:
                seen.add((await client.get("/api/v1/quota")).json()["gpu_usage"])

            with _held(*engines):
                asks = [asyncio.create_task(_ask(client, max_tokens=20)) for _ in range(8)]
                await _once_there(services, sent=8, held=0)
                await look()
            while not all(ask.done() for ask in asks):
                await look()
                await asyncio.sleep(0.02)
    assert {ask.result().status_code for ask in asks} == {200}
    assert max(seen) == devices
