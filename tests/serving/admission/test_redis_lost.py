"""Redis dies, is emptied, hangs or comes back: nothing fails, nothing is given twice."""

import asyncio
import os
import signal
import time
from dataclasses import replace

import pytest
from redis import Redis

from modelyard.registry.billing.quotas import Quotas
from modelyard.serving.admission import keys
from modelyard.serving.admission.gate import Gate
from modelyard.serving.admission.redis_gate import RedisGate
from modelyard.serving.admission.timings import SharedTimings
from tests.servers.redis import RedisServer
from tests.serving.admission.gates import HOUR_US, GateHarness, is_up, let_in, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def shared(shared: GateHarness) -> GateHarness:
    """A gateway that a slow machine keeps from speaking still counts as living."""
    return replace(shared, timings=SharedTimings(alive_us=HOUR_US))


async def know_each_other(gates: list[Gate]) -> None:
    """Every gate has heard how many there are."""
    numbers = {len(gates)}
    await until(lambda: {g.counts.gateways for g in gates if isinstance(g, RedisGate)} == numbers)


async def test_a_limit_is_one_for_all_gates(shared: GateHarness) -> None:
    """Three gates together let in exactly what one would."""
    async with shared.gates(3, rph=100, user_rph=80) as gates:
        found = await asyncio.gather(*(let_in(gate, 60, "ada") for gate in gates))
        assert sum(map(len, found)) == 80
        found = await asyncio.gather(*(let_in(gate, 60, "bob") for gate in gates))
        assert sum(map(len, found)) == 20


async def test_without_redis_each_gate_lets_in_its_share(
    shared: GateHarness, redis: RedisServer
) -> None:
    """A third each of what one gate of three may; and never nothing."""
    async with shared.gates(3, user_rph=90, user_max_concurrency=60) as gates:
        await know_each_other(gates)
        redis.kill()
        for gate in gates:
            assert len(await let_in(gate, 50, "ada")) == 20
    async with shared.gates(3, joins=False, user_rph=1) as gates:
        for gate in gates:
            assert len(await let_in(gate, 5, "ada")) == 1


@pytest.mark.parametrize("loss", ["killed", "hung", "emptied"])
async def test_a_lost_redis_costs_at_most_the_others_shares(
    shared: GateHarness, redis: RedisServer, loss: str
) -> None:
    """The stated bound: limit x (2 - 1/gateways) in one window, whichever gateway had it all.

    The gateway that let in all of it lets in nothing more; each other one has its share, once.
    """
    async with shared.gates(3, user_rph=90) as gates:
        await know_each_other(gates)
        assert len(await let_in(gates[0], 100, "ada")) == 90
        if loss == "emptied":
            with Redis.from_url(redis.url) as client:
                client.flushall()
        elif loss == "killed":
            redis.kill()
        else:
            os.kill(redis.pid, signal.SIGSTOP)
            for gate in gates:
                assert isinstance(gate, RedisGate)
                assert gate.pipe is not None
                gate.pipe.wait_at_most(0.05)
        more = [len(await let_in(gate, 100, "ada")) for gate in gates]
        assert more[0] == 0
        assert all(count <= 30 for count in more)
        if loss == "killed":
            redis.start()
        elif loss == "hung":
            os.kill(redis.pid, signal.SIGCONT)
        await until(lambda: all(map(is_up, gates)))
        assert [len(await let_in(gate, 100, "ada")) for gate in gates] == [0, 0, 0]


async def test_what_was_let_in_meanwhile_is_not_given_again(
    shared: GateHarness, redis: RedisServer
) -> None:
    """A Redis that comes back empty learns what came in before and while it was away."""
    async with shared.gates(3, user_rph=90) as gates:
        await know_each_other(gates)
        first = sum([len(await let_in(gate, 8, "ada")) for gate in gates])
        redis.kill()
        shares = sum([len(await let_in(gate, 17, "ada")) for gate in gates])
        assert (first, shares) == (24, 51)
        redis.start()
        await until(lambda: all(map(is_up, gates)))
        assert sum([len(await let_in(gate, 100, "ada")) for gate in gates]) == 90 - 24 - 51


async def test_an_emptied_redis_learns_everything_again(
    shared: GateHarness, redis: RedisServer
) -> None:
    """FLUSHALL gives nobody a second limit, a second place or a second quota."""
    ada = shared.user("ada")
    shared.limit(ada, 60)
    async with shared.gates(2, user_rph=90, user_max_concurrency=30) as gates:
        await know_each_other(gates)
        running = await let_in(gates[0], 10, ada)
        for admission in await let_in(gates[0], 15, ada):
            admission.settle(used=True)
        with Redis.from_url(redis.url) as client:
            client.flushall()
            for gate in gates:
                running += await let_in(gate, 1, ada)
            assert len(running) == 12
            await until(lambda: all(map(is_up, gates)) and client.zcard(keys.live_of(ada)) == 12)
        running += await let_in(gates[1], 50, ada)
        assert len(running) == 30
        for admission in running:
            admission.settle(used=True)
        assert len(await let_in(gates[0], 60, ada)) == 60 - 45


async def test_an_emptied_redis_lets_nobody_in_that_it_has_forgotten(
    shared: GateHarness, redis: RedisServer
) -> None:
    """Not even in the moment before its gateways have noticed."""
    async with shared.gate(user_rph=10) as gate:
        for _ in range(5):
            await let_in(gate, 10)
            with Redis.from_url(redis.url) as client:
                client.flushall()
            assert await let_in(gate, 10) == []
            await until(lambda: is_up(gate))


async def test_places_and_counts_come_back_with_redis(
    shared: GateHarness, redis: RedisServer
) -> None:
    """What runs through a restart of Redis is in it again, and is settled as ever."""
    ada = shared.user("ada")
    shared.limit(ada, 50)
    async with shared.gates(2, user_max_concurrency=20) as gates:
        await know_each_other(gates)
        running = await let_in(gates[0], 15, ada)
        redis.kill()
        running += await let_in(gates[1], 3, ada)
        running.pop().settle(used=True)
        redis.start()
        await until(lambda: all(map(is_up, gates)))
        more = await let_in(gates[0], 20, ada)
        assert len(running) + len(more) == 20
        for admission in (*running, *more):
            admission.settle(used=True)
        with Redis.from_url(redis.url) as client:
            await until(lambda: client.exists(keys.live_of(ada)) == 0)
        assert len(await let_in(gates[1], 20, ada)) == 20
        for gate in gates:
            await gate.quota(ada)
    assert Quotas(shared.db).find(ada).request_count == 15 + 3 + 3 - 1 + 20 + 1


async def test_a_hanging_redis_is_not_waited_for(shared: GateHarness, redis: RedisServer) -> None:
    """The first request waits a moment, the others not at all; when it goes on, so do we."""
    async with shared.gate(rph=100, redis_patience_s=1.0) as gate:
        await until(lambda: is_up(gate))
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            assert len(await let_in(gate, 10)) == 10
            assert time.monotonic() - begun < 60.0
            assert not is_up(gate)  # nobody is left to wait for
            assert len(await let_in(gate, 10)) == 10
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        await until(lambda: is_up(gate))
        assert 60 <= len(await let_in(gate, 200)) <= 80


async def test_a_gate_opens_without_redis(shared: GateHarness, redis: RedisServer) -> None:
    """A gateway starts and serves while Redis is away, and joins when it comes."""
    redis.kill()
    async with shared.gate(joins=False, rph=10) as gate:
        assert len(await let_in(gate, 20)) == 10
        redis.start()
        await until(lambda: is_up(gate))
        assert await let_in(gate, 20) == []


async def test_forgotten_scripts_are_sent_again(shared: GateHarness, redis: RedisServer) -> None:
    """SCRIPT FLUSH is noticed by nobody."""
    async with shared.gate(rph=100, max_concurrency=50) as gate:
        with Redis.from_url(redis.url) as client:
            client.script_flush()
            (admission,) = await let_in(gate, 1)
            client.script_flush()
            admission.settle(used=True)
            await until(lambda: client.zcard(keys.LIVE) == 0)
        assert is_up(gate)
        assert len(await let_in(gate, 60)) == 50


async def test_a_dead_gateway_s_places_are_free_again(
    shared: GateHarness, redis: RedisServer
) -> None:
    """Places have a lease: who holds one and does not renew it, loses it."""
    async with shared.gate(max_concurrency=10) as gate:
        with Redis.from_url(redis.url) as client:
            seconds, microseconds = client.time()
            now = seconds * 1_000_000 + microseconds
            dead = [f"dead:{n}" for n in range(10)]
            client.zadd(keys.LIVE, dict.fromkeys(dead, now + 3_600_000_000))
            assert await let_in(gate, 5) == []
            client.zadd(keys.LIVE, dict.fromkeys(dead, now + 300_000))
        await asyncio.sleep(0.35)
        assert len(await let_in(gate, 20)) == 10
