"""The places of those that wait: all are one user's until another comes."""

import asyncio

import pytest

from modelyard.serving.errors import FleetBusy, TooBusy
from modelyard.serving.routing.policy.fleet_state import PendingRequest
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.waiting import Waiting
from modelyard.serving.wire.errors import status_of

pytestmark = pytest.mark.anyio


def enter(waiting: Waiting, user: str) -> PendingRequest:
    pending = PendingRequest(RoutedRequest("r", user), "a", 0.0)
    waiting.enter(pending)
    return pending


async def test_a_user_alone_may_have_all_places() -> None:
    """One more is told that the fleet is busy."""
    waiting = Waiting(places=10)
    for _ in range(10):
        enter(waiting, "ada")
    with pytest.raises(FleetBusy):
        enter(waiting, "ada")
    assert len(waiting) == 10


async def test_the_latest_of_whoever_has_most_makes_room() -> None:
    """Others come in until all have like parts; who had to leave is told so, with 429."""
    waiting = Waiting(places=9)
    many = [enter(waiting, "ada") for _ in range(9)]
    latest = asyncio.ensure_future(waiting.news(many[-1], 60))
    await asyncio.sleep(0)
    for user in ("bob", "eve") * 3:
        enter(waiting, user)
    await latest  # it was woken
    with pytest.raises(TooBusy) as told:
        await waiting.news(many[-1], 60)
    assert (status_of(told.value), told.value.retry_after) == (429, 1.0)
    await waiting.news(many[2], 0.0)  # it still has its place
    with pytest.raises(TooBusy):
        await waiting.news(many[3], 60)
    for user in ("ada", "bob", "eve"):
        with pytest.raises(TooBusy):
            enter(waiting, user)
    assert len(waiting) == 9


async def test_a_place_that_is_given_back_is_free() -> None:
    """Once and twice, and by one that had to make room."""
    waiting = Waiting(places=2)
    one = enter(waiting, "ada")
    two = enter(waiting, "ada")
    enter(waiting, "bob")  # in the place of two
    for pending in (two, one, one):
        waiting.leave(pending)
    assert len(waiting) == 1
    enter(waiting, "ada")


async def test_news_end_the_wait() -> None:
    """For one, for all, or when time has passed."""
    waiting = Waiting()
    one = enter(waiting, "ada")
    two = enter(waiting, "bob")
    waits = [asyncio.ensure_future(waiting.news(each, 600)) for each in (one, two)]
    await asyncio.sleep(0)
    waiting.wake(one)
    await waits[0]
    assert not waits[1].done()
    waiting.wake_all()
    await waits[1]
    await waiting.news(one, 0.001)
