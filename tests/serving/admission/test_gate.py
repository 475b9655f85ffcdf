"""What the gate promises, on the one in memory and the one in Redis alike."""

import asyncio
import time
from datetime import timedelta

import pytest

from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.database import utc_now
from modelyard.serving.admission.gate import Admission, Gate
from modelyard.serving.errors import QuotaExceeded, RateLimited, TooBusy
from tests.serving.admission.gates import WITHIN_S, GateHarness, let_in, tried

pytestmark = pytest.mark.anyio

CLOCKS_S = 0.01
"""What the clocks of Redis and of the test may differ in a moment."""


async def test_without_limits_everybody_comes_in(place: GateHarness) -> None:
    """Nothing is limited unless somebody sets it, and nothing is said of it then."""
    async with place.gate() as gate:
        admitted = await let_in(gate, 200)
        assert len(admitted) == 200
        assert {admission.room for admission in admitted} == {None}


@pytest.mark.parametrize("name", ["rpm", "rph", "user_rpm", "user_rph"])
async def test_a_burst_of_1000_on_a_limit_of_100_admits_exactly_100(
    place: GateHarness, name: str
) -> None:
    """Every rate is exact, however many come at once, and also after they have ended."""
    async with place.gate(**{name: 100}) as gate:
        admitted = await let_in(gate, 1000)
        assert len(admitted) == 100
        for admission in admitted:
            admission.settle(used=True)
        assert await let_in(gate, 10) == []


async def test_a_refusal_says_exactly_when_to_come_again(place: GateHarness) -> None:
    """In `retry_after` seconds one more comes in, and not before; then the next waits anew."""
    async with place.gate(user_rpm=3, user_rph=1000) as gate:
        looks = [time.monotonic()]
        for _ in range(3):
            await gate.admit("ada")
            looks.append(time.monotonic())
            await asyncio.sleep(0.05)
        before = time.monotonic()
        with pytest.raises(RateLimited) as refusal:
            await gate.admit("ada")
        after = time.monotonic()
    for told, earliest, latest in (
        (refusal.value.retry_after, looks[0], looks[1]),
        (refusal.value.reset_s, looks[2], looks[3]),
    ):
        assert earliest - after - CLOCKS_S < told - 60 < latest - before + CLOCKS_S
    assert refusal.value.limit == 3


async def test_the_tightest_rate_is_told(place: GateHarness) -> None:
    """What is left is what the client can really send."""
    async with place.gate(rpm=1000, user_rpm=5, user_rph=7) as gate:
        rooms = [(await gate.admit("ada")).room for _ in range(5)]
    assert [(room.limit, room.remaining) for room in rooms if room] == [
        (5, left) for left in (4, 3, 2, 1, 0)
    ]


async def test_users_do_not_share_what_is_theirs(place: GateHarness) -> None:
    """One user's limit is nobody else's; everybody's limit is."""
    async with place.gate(user_rpm=5, rpm=8) as gate:
        assert len(await let_in(gate, 20, "ada")) == 5
        assert len(await let_in(gate, 20, "bob")) == 3


async def test_the_refused_use_nothing(place: GateHarness) -> None:
    """Whoever is refused by one limit takes nothing from the others."""
    async with place.gate(rpm=10, user_rpm=2, max_concurrency=9) as gate:
        assert len(await let_in(gate, 50, "ada")) == 2
        assert len(await let_in(gate, 50, "bob")) == 2
        names = [f"user {n}" for n in range(6)]
        assert sum([len(await let_in(gate, 1, name)) for name in names]) == 5


async def test_places_are_given_back_once(place: GateHarness) -> None:
    """A place is free when its request is settled, and settling again frees no other."""
    async with place.gate(max_concurrency=3, user_max_concurrency=2) as gate:
        first, second = await let_in(gate, 5, "ada")
        busy = await tried(gate, "ada")
        assert isinstance(busy, TooBusy)
        assert busy.retry_after > 0
        (third,) = await let_in(gate, 5, "bob")
        assert isinstance(await tried(gate, "eve"), TooBusy)
        first.settle(used=False)
        first.settle(used=True)
        first.settle(used=False)
        assert len(await let_in(gate, 5, "eve")) == 1
        for admission in (second, third):
            admission.settle(used=True)
        assert len(await let_in(gate, 5, "ada")) == 2


async def test_a_quota_counts_what_was_used(place: GateHarness) -> None:
    """Settled and running requests count, those that used nothing do not."""
    ada = place.user("ada")
    place.limit(ada, 10)
    async with place.gate() as gate:
        admitted = await let_in(gate, 30, ada)
        assert len(admitted) == 10
        assert (await gate.quota(ada)).request_count == 10
        for number, admission in enumerate(admitted):
            for _ in range(2):
                admission.settle(used=number >= 4)
        assert (await gate.quota(ada)).request_count == 6
        assert len(await let_in(gate, 30, ada)) == 4
    assert Quotas(place.db).find(ada).request_count == 10


async def test_a_used_up_quota_says_when_it_ends(place: GateHarness) -> None:
    """Until its end nobody comes in; past it, or without one, the answer differs."""
    ada = place.user("ada")
    begun = time.monotonic()
    end = utc_now() + timedelta(seconds=1000)
    place.limit(ada, 1, expiration_time=end)
    async with place.gate() as gate:
        await gate.admit(ada)
        refusal = await tried(gate, ada)
        assert isinstance(refusal, QuotaExceeded)
        assert 1000 - (time.monotonic() - begun) - 1 < refusal.retry_after <= 1000
        place.limit(ada, 1, expiration_time=utc_now() - timedelta(seconds=1))
        gate.changed(ada)
        assert len(await let_in(gate, 5, ada)) == 5


async def let_in_soon(gate: Gate, count: int, user_id: str) -> None:
    """Once the gate has heard of a change so many come in, and nobody after them."""
    admitted = await let_in(gate, 9, user_id)
    async with asyncio.timeout(WITHIN_S):
        while not admitted:
            await asyncio.sleep(0.1)
            admitted = await let_in(gate, 9, user_id)
    assert len(admitted) == count
    assert await let_in(gate, 9, user_id) == []


async def test_a_changed_quota_holds_soon(place: GateHarness) -> None:
    """Another process may change it; a new count begins anew."""
    ada = place.user("ada")
    place.limit(ada, 2)
    async with place.gate() as gate:
        assert len(await let_in(gate, 5, ada)) == 2
        place.limit(ada, 5)
        await let_in_soon(gate, 3, ada)
        place.limit(ada, 5, request_count=1)
        await let_in_soon(gate, 4, ada)


async def test_a_new_gate_goes_on_with_the_count(place: GateHarness) -> None:
    """A restart gives no quota twice."""
    ada = place.user("ada")
    place.limit(ada, 10)
    for expected in (6, 4, 0):
        async with place.gate() as gate:
            assert len(await let_in(gate, 6, ada)) == expected


async def test_whoever_leaves_while_being_let_in_holds_nothing(place: GateHarness) -> None:
    """A client that is gone before the answer keeps no place and no count."""
    ada = place.user("ada")
    place.limit(ada, 1000)
    async with place.gate(max_concurrency=1000) as gate:
        await gate.admit(ada)
        for _ in range(50):
            task = asyncio.create_task(gate.admit(ada))
            await asyncio.sleep(0)
            task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(done, Admission):
                done.settle(used=False)
        assert (await gate.quota(ada)).request_count == 1
        assert len(await let_in(gate, 1200, ada)) == 999
