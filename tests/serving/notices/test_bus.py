"""Every replica's listeners get every notice, at once with Redis and soon without."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from modelyard.registry.changes import Changes
from modelyard.registry.database import Database
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.identity.grants import Grant
from modelyard.registry.notices.notice import NoticeDraft, Topic
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.registry.notices.tickets import NoticeTicket
from modelyard.serving.background_task import background_task
from modelyard.serving.notices.bus import FLOOR_S, NoticeBus
from modelyard.serving.notices.delivery import Delivery
from modelyard.serving.notices.joining import listen
from modelyard.serving.notices.wake_up import WakeUp
from modelyard.serving.observability.notice_stats import NoticeStats
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio

TICKET = NoticeTicket(Grant("ada", "a" * 64), frozenset(Topic))
SOON_S = 60.0


class ReplicaBus:
    """One gateway's bus and a listener to it."""

    def __init__(self, db: Database, redis_url: str = "") -> None:
        self.bus = NoticeBus(
            NoticeBook(db),
            lambda grants: {one: Caller(one.user_id, "ada", Role.USER) for one in grants},
            NoticeStats(),
            WakeUp(redis_url),
        )
        self.got = list[int]()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator["ReplicaBus"]:
        async with (
            background_task(self.bus.run()),
            self.bus.subscribed(TICKET, 0) as place,
            background_task(self._read(listen(self.bus.book, place, SOON_S))),
        ):
            yield self

    async def _read(self, news: AsyncGenerator[list[Delivery]]) -> None:
        async for part in news:
            self.got += [one.id for one in part]

    async def until(self, last: int) -> None:
        async with asyncio.timeout(SOON_S):
            while self.got[-1:] != [last]:
                await asyncio.sleep(0.005)


async def _heard(replica: ReplicaBus) -> None:
    async with asyncio.timeout(SOON_S):
        while not replica.bus.wake_up.is_heard:
            await asyncio.sleep(0.01)


async def test_every_replica_tells_of_what_any_process_publishes(db: Database) -> None:
    """Without a Redis, by looking into the table; in order, each once."""
    async with ReplicaBus(db).listening() as one, ReplicaBus(db).listening() as other:
        for _ in range(5):
            await asyncio.to_thread(other.bus.book.add, [NoticeDraft(Topic.RUNS, "test")] * 2)
        for replica in (one, other):
            await replica.until(10)
            assert replica.got == [0, *range(1, 11)]


async def test_redis_wakes_a_bus_and_its_loss_costs_no_notice(
    db: Database, redis: RedisServer
) -> None:
    """Far sooner than the bus would look by itself; when Redis is gone it looks more often."""
    Changes.to(redis.url).follow(db)
    async with ReplicaBus(db, redis.url).listening() as replica:
        await _heard(replica)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for last in range(1, 11):
            await asyncio.to_thread(replica.bus.book.add, [NoticeDraft(Topic.RUNS, "test")])
            await replica.until(last)
        assert loop.time() - begun < 5 * FLOOR_S
        redis.kill()
        await asyncio.to_thread(replica.bus.book.add, [NoticeDraft(Topic.RUNS, "test")])
        await replica.until(11)
        assert replica.got == [0, *range(1, 12)]


async def test_a_bus_without_listeners_does_not_look(db: Database) -> None:
    """And begins where it is told to when one comes."""
    replica = ReplicaBus(db)
    replica.bus.book.add([NoticeDraft(Topic.RUNS, "test")] * 3)
    async with background_task(replica.bus.run()):
        await asyncio.sleep(0)
        assert replica.bus.position == 0
        async with replica.bus.subscribed(TICKET, None) as place:
            assert (replica.bus.position, place.joined_at) == (3, 3)
