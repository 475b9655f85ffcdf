"""Three real gateways on one Redis spread what comes by what all of them have sent."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from registry.names import ModelVersion
from serving.admission import keys
from tests.servers.redis import RedisServer, running_redis
from tests.serving.engines.processes import EngineProcess, engine_process
from tests.serving.processes import GatewayProcess, environment, gateway_process
from tests.serving.site import TOKEN, Site, open_site

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

GATEWAYS, DEVICES = 3, 4
EACH = 16
SLACK = 2
HEARD_S = 1.0
"""Far more than the gateways need to tell one another, and far less than any answer takes."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Four devices whose workers never report again; on two of them stands a second version."""

    gateways: list[GatewayProcess]
    redis: RedisServer
    site: Site
    engines: list[tuple[str, EngineProcess]]

    async def stream(self, number: int, model: str, words: int) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.site.ada}"}
        url = f"{self.gateways[number].url}/v1/completions"
        body = {"model": model, "prompt": "Say", "max_tokens": words, "stream": True}
        async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:
            return await client.post(url, json=body)

    async def once_at_work(self, total: int) -> Counter[str]:
        """Requests on each device, once so many are there: a busy machine takes its time."""
        async with asyncio.timeout(10):
            while (found := await asyncio.to_thread(self._at_work)).total() < total:
                await asyncio.sleep(0.05)
        return found

    def _at_work(self) -> Counter[str]:
        found = Counter[str]()
        for device, engine in self.engines:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            state = httpx.get(f"{engine.url}/state", headers=headers, trust_env=False).json()
            found[device] += state["active"] + state["queued"]
        return found


def _engine(stack: ExitStack, site: Site, version: ModelVersion, device: str) -> EngineProcess:
    started = engine_process(
        internal_token=TOKEN,
        version_id=version.id,
        model_name=version.model,
        parallel=64,
        options={"delay_s": 0.2},
    )
    engine = stack.enter_context(started)
    site.ready(version, engine.url, device)
    return engine


@pytest.fixture(scope="module")
def fleet(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Fleet]:
    folder = tmp_path_factory.mktemp("spread")
    url = f"sqlite:///{folder / 'modelyard.db'}"
    (folder / "modelyard.db").write_bytes(sqlite_template.read_bytes())
    devices = [f"cpu-{number}" for number in range(DEVICES)]
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        site = stack.enter_context(open_site(url, folder))
        wide, narrow = site.shelf.add("wide"), site.shelf.add("narrow")
        for device in devices:
            site.worker(device)
        engines = [(d, _engine(stack, site, wide, d)) for d in devices]
        engines += [(d, _engine(stack, site, narrow, d)) for d in devices[:2]]
        env = environment(folder) | {
            "MODELYARD_REDIS_URL": redis.url,
            "MODELYARD_REDIS_PATIENCE_S": "2",  # tests share the machine
            "MODELYARD_WORKER_ALIVE_S": "600",
        }
        gateways: list[GatewayProcess] = []
        for number in range(GATEWAYS):
            (folder / str(number)).mkdir()
            gateways.append(stack.enter_context(gateway_process(env, folder / str(number))))
        yield Fleet(gateways, redis, site, engines)


async def test_a_burst_goes_where_no_gateway_has_sent_much(fleet: Fleet) -> None:
    """One has filled half of the devices: the others' burst evens it out, without any heartbeat."""
    async with asyncio.TaskGroup() as group:
        streams = [group.create_task(fleet.stream(0, "narrow", 90)) for _ in range(EACH)]
        there = await fleet.once_at_work(EACH)
        assert there == {"cpu-0": EACH / 2, "cpu-1": EACH / 2, "cpu-2": 0, "cpu-3": 0}
        await asyncio.sleep(HEARD_S)
        burst = (fleet.stream(1 + n % 2, "wide", 40) for n in range(EACH))
        streams += [group.create_task(asking) for asking in burst]
        there = await fleet.once_at_work(2 * EACH)
    assert {stream.result().status_code for stream in streams} == {200}
    assert there.total() == 2 * EACH
    assert max(there.values()) <= 2 * EACH / DEVICES + SLACK


async def test_with_redis_killed_everything_is_answered(fleet: Fleet) -> None:
    """By what each gateway knows itself; and when Redis is back they know of one another again."""
    async with asyncio.TaskGroup() as group:
        asking = (fleet.stream(n % GATEWAYS, "wide", 10) for n in range(2 * EACH))
        streams = [group.create_task(each) for each in asking]
        await asyncio.sleep(0.1)
        fleet.redis.kill()
        more = (fleet.stream(n % GATEWAYS, "wide", 3) for n in range(2 * EACH))
        streams += [group.create_task(each) for each in more]
    assert {stream.result().status_code for stream in streams} == {200}
    fleet.redis.start()
    with Redis.from_url(fleet.redis.url) as client:
        async with asyncio.timeout(10):
            while client.hlen(keys.LOADS) < GATEWAYS:
                await asyncio.sleep(0.05)
