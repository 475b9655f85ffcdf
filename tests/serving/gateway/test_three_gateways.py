"""Three real gateways on one Redis: a limit is one limit, also where Redis is killed meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from redis import Redis

from modelyard.registry.identity.caller import Role
from modelyard.serving.admission import keys
from tests.servers.redis import RedisServer, running_redis
from tests.serving.installation import Installation, open_installation
from tests.serving.processes import PATIENT, GatewayProcess, environment, gateway_process

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

LIMIT = 60
GATEWAYS = 3
BODY = {"model": "talker", "prompt": "Say", "max_tokens": 1}


@dataclass(frozen=True, slots=True)
class Three:
    """Gateways that know each other, before an engine that is ready."""

    gateways: list[GatewayProcess]
    redis: RedisServer
    installation: Installation

    def user(self, name: str) -> str:
        """The key of a user whose limits nobody has touched."""
        self.installation.identity.create_user(name, Role.USER)
        return self.installation.identity.create_key(name, "test")

    async def ask(self, key: str, number: int, times: int) -> Counter[int]:
        """The statuses of so many requests at once, to one of the gateways."""
        headers = {"Authorization": f"Bearer {key}"}
        url = f"{self.gateways[number].url}/v1/completions"
        limits = httpx2.Limits(max_connections=16)
        async with httpx2.AsyncClient(
            headers=headers, limits=limits, timeout=240, trust_env=False
        ) as client:
            answers = await asyncio.gather(*(client.post(url, json=BODY) for _ in range(times)))
        for answer in answers:
            if answer.status_code == 429:
                assert 0 < int(answer.headers["Retry-After"]) <= 3600
                assert answer.json()["error"]["code"] == "rate_limit_exceeded"
        return Counter(answer.status_code for answer in answers)

    async def once_together(self) -> None:
        """Wait until every gateway works with the Redis that is there now."""
        with Redis.from_url(self.redis.url) as client:
            async with asyncio.timeout(60):
                while client.hlen(keys.LOADS) < GATEWAYS:
                    await asyncio.sleep(0.05)

    async def ask_all(self, key: str, times: int) -> Counter[int]:
        asking = (self.ask(key, number, times) for number in range(len(self.gateways)))
        return sum(await asyncio.gather(*asking), Counter())


@pytest.fixture(scope="module")
def three(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Three]:
    tmp_path = tmp_path_factory.mktemp("three")
    url = f"sqlite:///{tmp_path / 'modelyard.db'}"
    (tmp_path / "modelyard.db").write_bytes(sqlite_template.read_bytes())
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        installation = stack.enter_context(open_installation(url, tmp_path))
        stack.enter_context(installation.engine(installation.filled.add("talker")))
        env = environment(tmp_path) | PATIENT
        env |= {
            "MODELYARD_REDIS_URL": redis.url,
            "AI_USER_RPH": str(LIMIT),
        }
        gateways: list[GatewayProcess] = []
        for number in range(GATEWAYS):
            folder = tmp_path / str(number)
            folder.mkdir()
            gateways.append(stack.enter_context(gateway_process(env, folder)))
        yield Three(gateways, redis, installation)


async def test_three_gateways_let_in_exactly_the_limit(three: Three) -> None:
    """Concurrent load on all of them; and one after the other they agree that it is used up."""
    ada = three.user("countess")
    await three.once_together()
    assert await three.ask_all(ada, 40) == {200: LIMIT, 429: 3 * 40 - LIMIT}
    assert await three.ask_all(ada, 5) == {429: 15}


async def test_redis_may_be_killed_and_come_back(three: Three) -> None:
    """No request fails, each gateway lets in its share, and nothing is given twice."""
    ada = three.user("lovelace")
    await three.once_together()
    assert await three.ask_all(ada, 8) == {200: 24}
    await asyncio.sleep(1.0)
    load = asyncio.create_task(three.ask_all(ada, 40))
    await asyncio.sleep(0.05)
    three.redis.kill()
    during = await load
    three.redis.start()
    await three.once_together()
    after = await three.ask_all(ada, 30)
    assert set(during) <= {200, 429}
    assert set(after) <= {200, 429}
    allowed = 24 + during[200] + after[200]
    shares = GATEWAYS * (LIMIT // GATEWAYS)
    assert LIMIT - 1 <= allowed <= LIMIT + shares
    assert await three.ask_all(ada, 5) == {429: 15}
