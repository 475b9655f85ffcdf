"""What one admission costs: our gates, beside `limits` and a plain script over redis-py.

`python -m benchmarks.admission [ROUNDS] [--json OUT]` takes the ways in turn, ROUNDS times, and
prints medians of this process' CPU for each admission and its settlement. All limits are on: a
minute and an hour for everybody and for the user, both concurrencies, the user's quota. `limits`
(peer; in the `dev` extra) has the four rates only, one round trip each.
"""

import argparse
import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from modelyard.registry.billing.quota import QuotaChange
from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.database import Database
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity
from modelyard.registry.migrate import migrate
from modelyard.serving.access.authentication import Authenticator
from modelyard.serving.admission.gate import Gate
from modelyard.serving.admission.limits import HOUR_US, MINUTE_US
from modelyard.serving.admission.open import open_gate
from modelyard.serving.admission.redis_gate import ADMIT
from modelyard.serving.admission.timings import SharedTimings
from modelyard.serving.settings import GatewaySettings
from tests.servers.redis import running_redis

MANY = 1_000_000
REQUESTS = 6400
BARS = {"memory": 25.0, "redis": 40.0}
SETTINGS = GatewaySettings(
    rpm=MANY,
    rph=MANY,
    user_rpm=MANY,
    user_rph=MANY,
    max_concurrency=MANY,
    user_max_concurrency=MANY,
    redis_patience_s=1.0,
)
Way = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds for each admission: of this process' CPU, and by the clock."""

    cpu_us: float
    wall_us: float


def through(gate: Gate, user_id: str) -> Way:
    async def once() -> None:
        (await gate.admit(user_id)).settle(used=True)

    return once


@asynccontextmanager
async def over_redis_py(url: str, user_id: str) -> AsyncGenerator[Way]:
    """The same script as ours, asked by the library, with a settlement of two commands."""
    from redis.asyncio import Redis

    logs = [f"peer:{number}:{user_id}" for number in range(4)]
    numbers = [MANY, MINUTE_US, MANY, HOUR_US] * 2
    names = ["peer:epoch", "peer:live", f"peer:live:{user_id}", f"peer:quota:{user_id}", *logs]
    async with Redis.from_url(url) as client:
        await client.set("peer:epoch", "1")
        sha = await client.script_load(ADMIT.text)

        async def once() -> None:
            given = ["1", "id", SharedTimings().lease_us, MANY, MANY, MANY, 0, *numbers]
            await client.evalsha(sha, len(names), *names, *given)
            await client.zrem("peer:live", "id")

        yield once


@asynccontextmanager
async def over_limits(url: str, user_id: str) -> AsyncGenerator[Way]:
    """The `limits` library: a sliding window for each rate."""
    from limits import RateLimitItemPerHour, RateLimitItemPerMinute
    from limits.aio.storage import RedisStorage
    from limits.aio.strategies import SlidingWindowCounterRateLimiter

    limiter = SlidingWindowCounterRateLimiter(
        RedisStorage(f"async+{url}", implementation="redispy")
    )
    rates = [
        (item(MANY), who)
        for item in (RateLimitItemPerMinute, RateLimitItemPerHour)
        for who in ("all", user_id)
    ]

    async def once() -> None:
        for rate, who in rates:
            await limiter.hit(rate, who)

    yield once


async def measure(way: Way, at_once: int) -> Cost:
    async def some() -> None:
        for _ in range(REQUESTS // at_once):
            await way()

    cpu = _cpu_s()
    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    wall_s = time.perf_counter() - began
    cpu_s = _cpu_s() - cpu
    return Cost(cpu_s / REQUESTS * 1e6, wall_s / REQUESTS * 1e6)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def compare(rounds: int, folder: Path, url: str) -> dict[str, Cost]:
    database = Database.connect(f"sqlite:///{folder / 'bench.db'}")
    migrate(database)
    user_id = Identity(database, "s" * 40).create_user("bench", Role.USER).id
    Quotas(database).set(user_id, QuotaChange(0, 10**9, 5, None))
    found: dict[str, list[Cost]] = {}
    async with AsyncExitStack() as stack:
        memory = await stack.enter_async_context(open_gate(SETTINGS, database))
        shared = await stack.enter_async_context(open_gate(SETTINGS, database, url))
        ways = {
            "memory": through(memory, user_id),
            "redis": through(shared, user_id),
            "redis-py, same script": await stack.enter_async_context(over_redis_py(url, user_id)),
        }
        try:
            ways["limits"] = await stack.enter_async_context(over_limits(url, user_id))
        except ImportError:
            print("`limits` is not installed: left out")
        for _ in range(rounds):
            for at_once in (1, 32):
                for name, way in ways.items():
                    cost = await measure(way, at_once)
                    found.setdefault(f"{name} x{at_once}", []).append(cost)
    database.close()
    return {name: _median(costs) for name, costs in found.items()}


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.cpu_us for cost in costs),
        statistics.median(cost.wall_us for cost in costs),
    )


async def known_us(folder: Path) -> float:
    """Microseconds that a credential costs which was let in before."""
    database = Database.connect(f"sqlite:///{folder / 'bench.db'}")
    identity = Identity(database, "s" * 40)
    header = f"Bearer {identity.create_key('bench', 'bench')}"
    door = Authenticator(identity, "measures", remember_s=600)
    await door.caller(header)
    headers = [header.encode().decode() for _ in range(REQUESTS)]  # as they come: each a new text
    began = time.perf_counter()
    for each in headers:
        door.known(each)
    spent_s = time.perf_counter() - began
    database.close()
    return spent_s / REQUESTS * 1e6


def show(found: dict[str, Cost]) -> bool:
    """Print the table; whether every bar is reached."""
    print(f"{'way x requests at once':32}{'CPU us':>10}{'wall us':>10}{'bar':>8}")
    reached = True
    for name, cost in found.items():
        bar = BARS.get(name.split(" x")[0])
        reached = reached and (bar is None or cost.cpu_us <= bar)
        print(f"{name:32}{cost.cpu_us:>10.1f}{cost.wall_us:>10.1f}{bar or '':>8}")
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description="What one admission costs.")
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_redis() as redis:
        found = uvloop.run(compare(asked.rounds, Path(folder), redis.url))
        known = uvloop.run(known_us(Path(folder)))
    if asked.json:
        asked.json.write_text(json.dumps({n: [c.cpu_us, c.wall_us] for n, c in found.items()}))
    reached = show(found)
    print(f"a credential that is known: {known:.2f} us (bar: 1)")
    sys.exit(0 if reached and known <= 1 else "a bar is not reached")


if __name__ == "__main__":
    main()
