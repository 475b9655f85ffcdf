"""Three real gateways on one Redis spread what comes by what all of them have sent."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from redis import Redis

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.admission import keys
from modelyard.serving.routing.estimates.speeds import LIKELY_SLOPE, PRIOR_DECODE_S
from tests.servers.redis import RedisServer, running_redis
from tests.serving.engines.processes import StartedEngine, engine_process
from tests.serving.installation import TOKEN, Installation, open_installation, state
from tests.serving.processes import PATIENT, GatewayProcess, environment, gateway_process

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

GATEWAYS = 3
DEVICES = 4
EACH = 16
SLACK = 2
WITHIN_S = 100.0
HELD_S = 600.0
"""How long the engines of what is held write nothing: nobody learns how fast they are."""


@dataclass(frozen=True, slots=True)
class SilentFleet:
    """Four devices whose workers never report again; on two of them stands a second version."""

    gateways: list[GatewayProcess]
    redis: RedisServer
    installation: Installation
    engines: list[tuple[str, StartedEngine]]

    async def ask(self, number: int, model: str, words: int = 1) -> int:
        """The status that one gateway answers with."""
        body = {"model": model, "prompt": "Say", "max_tokens": words, "stream": True}
        async with self.client(number) as client:
            return (await client.post("/v1/completions", json=body)).status_code

    def client(self, number: int) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {self.installation.ada}"}
        url = self.gateways[number].url
        return httpx2.AsyncClient(base_url=url, headers=headers, timeout=240, trust_env=False)

    async def once_at_work(self, total: int) -> Counter[str]:
        """Requests on each device, once so many are there: a busy machine takes its time."""
        async with asyncio.timeout(WITHIN_S):
            while (found := await asyncio.to_thread(self._at_work)).total() < total:
                await asyncio.sleep(0.05)
        return found

    def _at_work(self) -> Counter[str]:
        found = Counter[str]()
        for device, engine in self.engines:
            told = state(engine)
            found[device] += told["active"] + told["queued"]
        return found

    async def once_heard(self, number: int, busy: int) -> None:
        """Wait until a gateway knows of so many requests on each of the first two devices.

        A busy machine may keep it from hearing for so long that it forgets for a moment.
        """
        least_s = PRIOR_DECODE_S * (1 + LIKELY_SLOPE * busy)
        async with self.client(number) as client, asyncio.timeout(WITHIN_S):
            while min(await _word_s(client)) < least_s:
                await asyncio.sleep(0.02)


async def _word_s(client: httpx2.AsyncClient) -> list[float]:
    """What a word takes on the first two devices, as a gateway judges by how busy they are."""
    told = (await client.get("/api/v1/route/explain?model=wide")).json()
    words = told["expected_output_tokens"]
    return [
        c["decode_s"] / words for c in told["candidates"] if c["device_id"] in {"cpu-0", "cpu-1"}
    ]


def _engine(
    stack: ExitStack,
    installation: Installation,
    version: ModelVersion,
    device: str,
    prefill_s: float = HELD_S,
) -> StartedEngine:
    started = engine_process(
        internal_token=TOKEN,
        version_id=version.id,
        model_name=version.model,
        parallel=64,
        options={"prefill_s": prefill_s, "delay_s": 0.1},
    )
    engine = stack.enter_context(started)
    installation.ready(version, engine.url, device)
    return engine


@pytest.fixture(scope="module")
def fleet(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[SilentFleet]:
    folder = tmp_path_factory.mktemp("spread")
    url = f"sqlite:///{folder / 'modelyard.db'}"
    (folder / "modelyard.db").write_bytes(sqlite_template.read_bytes())
    devices = [f"cpu-{number}" for number in range(DEVICES)]
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        installation = stack.enter_context(open_installation(url, folder))
        wide, narrow, quick = (
            installation.filled.add(name) for name in ("wide", "narrow", "quick")
        )
        for device in devices:
            installation.worker(device)
        engines = [(d, _engine(stack, installation, wide, d)) for d in devices]
        engines += [(d, _engine(stack, installation, narrow, d)) for d in devices[:2]]
        for device in devices[:2]:
            _engine(stack, installation, quick, device, prefill_s=0.0)
        env = environment(folder) | PATIENT | {"MODELYARD_REDIS_URL": redis.url}
        gateways: list[GatewayProcess] = []
        for number in range(GATEWAYS):
            (folder / str(number)).mkdir()
            gateways.append(stack.enter_context(gateway_process(env, folder / str(number))))
        yield SilentFleet(gateways, redis, installation, engines)


async def test_a_burst_goes_where_no_gateway_has_sent_much(fleet: SilentFleet) -> None:
    """One has filled half of the devices: the others' burst evens it out, without any heartbeat."""
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(fleet.ask(0, "narrow")) for _ in range(EACH)]
        there = await fleet.once_at_work(EACH)
        assert there == {"cpu-0": EACH / 2, "cpu-1": EACH / 2, "cpu-2": 0, "cpu-3": 0}
        for number in range(EACH):
            await fleet.once_heard(1 + number % 2, EACH // 2)
            asking.append(group.create_task(fleet.ask(1 + number % 2, "wide")))
        there = await fleet.once_at_work(2 * EACH)
        assert not any(task.done() for task in asking)
        for task in asking:
            task.cancel()
    assert there.total() == 2 * EACH
    assert max(there.values()) <= 2 * EACH / DEVICES + SLACK


async def test_with_redis_killed_everything_is_answered(fleet: SilentFleet) -> None:
    """By what each gateway knows itself; and when Redis is back they know of one another again."""
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(fleet.ask(n % GATEWAYS, "quick", 10)) for n in range(2 * EACH)]
        await asyncio.sleep(0.1)
        fleet.redis.kill()
        more = (fleet.ask(n % GATEWAYS, "quick", 3) for n in range(2 * EACH))
        asking += [group.create_task(each) for each in more]
    assert {task.result() for task in asking} == {200}
    fleet.redis.start()
    with Redis.from_url(fleet.redis.url) as client:
        async with asyncio.timeout(WITHIN_S):
            while client.hlen(keys.LOADS) < GATEWAYS:
                await asyncio.sleep(0.05)
