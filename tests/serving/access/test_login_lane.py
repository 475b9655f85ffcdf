"""Password checks are few at a time, and whoever floods the lane waits behind its own tries."""

import asyncio

import pytest

from modelyard.serving.access.login_lane import LoginLane
from modelyard.serving.errors import TooManyLogins

pytestmark = pytest.mark.anyio


async def turn(lane: LoginLane, address: str, order: list[str]) -> None:
    async with lane.place(address):
        order.append(address)
        await asyncio.sleep(0)


async def waiting(lane: LoginLane, count: int) -> None:
    async with asyncio.timeout(60):
        while lane.waiting < count:
            await asyncio.sleep(0)


async def test_another_address_is_one_round_away() -> None:
    """However many tries the first one has waiting."""
    lane = LoginLane(at_once=1, each=5)
    order = list[str]()
    tasks = list[asyncio.Task[None]]()
    async with lane.place("flood"):
        for number, address in enumerate(["flood"] * 5 + ["ada"]):
            tasks.append(asyncio.create_task(turn(lane, address, order)))
            await waiting(lane, number + 1)
    await asyncio.gather(*tasks)
    assert order.index("ada") == 1
    assert lane.running == 0


async def test_tries_that_wait_are_bounded_for_one_address_and_for_all() -> None:
    """Beyond that a try is refused at once, with the time after which there may be room."""
    lane = LoginLane(at_once=1, each=2, most=3)
    tasks = list[asyncio.Task[None]]()
    async with lane.place("a"):
        for number, address in enumerate(("a", "a", "b")):
            tasks.append(asyncio.create_task(turn(lane, address, [])))
            await waiting(lane, number + 1)
        for address in ("a", "c"):
            with pytest.raises(TooManyLogins) as refused:
                async with lane.place(address):
                    pass
            assert refused.value.retry_after == 2
    await asyncio.gather(*tasks)
    assert (lane.running, lane.waiting) == (0, 0)


@pytest.mark.parametrize("at_the_same_time", [True, False])
async def test_a_wait_that_is_cancelled_leaves_no_trace(*, at_the_same_time: bool) -> None:
    """Also where its place came free in the same moment."""
    lane = LoginLane(at_once=1)
    leaving = None
    async with lane.place("a"):
        leaving = asyncio.create_task(turn(lane, "b", []))
        await waiting(lane, 1)
        if not at_the_same_time:
            leaving.cancel()
            await asyncio.wait({leaving})
            assert lane.waiting == 0
    leaving.cancel()
    await asyncio.wait({leaving})
    assert leaving.cancelled()
    assert (lane.running, lane.waiting) == (0, 0)
