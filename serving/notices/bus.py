"""Carries notices from the table, where every process writes them, to this gateway's listeners."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.identity.caller import Caller
from modelyard.registry.identity.grants import Grant
from modelyard.registry.logs import logger
from modelyard.registry.notices.notice import Notice
from modelyard.registry.notices.notice_book import AT_ONCE, NoticeBook
from modelyard.registry.notices.tickets import NoticeTicket
from modelyard.serving.notices.delivery import Delivery
from modelyard.serving.notices.errors import TooManyListeners, ticket_refused
from modelyard.serving.notices.subscription import Subscription, SubscriptionEnd
from modelyard.serving.notices.wake_up import WakeUp
from modelyard.serving.observability.notice_stats import NoticeStats

POLL_S = 0.05
FLOOR_S = 1.0
"""Seconds between looks into the table: without Redis, and where Redis tells of what is new."""

CHECK_S = 2.0
"""Seconds between looks whether the listeners' credentials still hold."""

_log = logger("modelyard.notices")


@dataclass(slots=True, eq=False)
class NoticeBus:
    """Reads each notice once and hands it to all who want it; without listeners it does nothing.

    `position` is the id up to which everything was handed out. A user may have `most_each`
    listeners in this gateway, each with `backlog` waiting notices.
    """

    book: NoticeBook
    still_hold: Callable[[Iterable[Grant]], dict[Grant, Caller]]
    stats: NoticeStats
    wake_up: WakeUp
    most_each: int = 20
    backlog: int = 256
    position: int = 0
    _all: set[Subscription] = field(default_factory=set[Subscription])
    _by_user: Counter[str] = field(default_factory=Counter[str])
    _published: asyncio.Event = field(default_factory=asyncio.Event)
    _present: asyncio.Event = field(default_factory=asyncio.Event)
    _is_leaving: bool = False

    def publish_soon(self) -> None:
        """Look into the table now: this process has just published, or heard that one has."""
        self._published.set()

    @asynccontextmanager
    async def subscribed(
        self, ticket: NoticeTicket, after: int | None
    ) -> AsyncGenerator[Subscription]:
        """A listener's place, from the notice after `after` on, or from now on.

        Raises TooManyListeners, or NotAuthenticated if the ticket's credential no longer holds.
        """
        user_id = ticket.grant.user_id
        if self._by_user[user_id] >= self.most_each:
            raise TooManyListeners(self.most_each)
        self._by_user[user_id] += 1
        try:
            subscription = await self._begin(ticket, after)
            try:
                yield subscription
            finally:
                self._all.discard(subscription)
        finally:
            self._by_user[user_id] -= 1
            if not self._by_user[user_id]:
                del self._by_user[user_id]

    async def _begin(self, ticket: NoticeTicket, after: int | None) -> Subscription:
        caller = (await asyncio.to_thread(self.still_hold, [ticket.grant])).get(ticket.grant)
        if caller is None:
            raise ticket_refused()
        if not self._all:
            last_id = await asyncio.to_thread(self.book.last_id)
            if not self._all:  # nobody else has begun meanwhile
                self.position = max(self.position, last_id)
        place = Subscription(
            caller, ticket.grant, ticket.topics, after, self.position, self.backlog
        )
        self._all.add(place)
        self._present.set()
        if self._is_leaving:
            place.end(SubscriptionEnd.LEAVING)
        return place

    async def run(self) -> None:
        """Hand out what is published, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.wake_up.listen(self.publish_soon))
            group.create_task(self._check())
            while True:
                await self._somebody()
                self._published.clear()
                if not await self._hand_out():
                    await self._wait()

    def leave(self) -> None:
        """End all subscriptions, because this gateway ends."""
        self._is_leaving = True
        self._end(self._all, SubscriptionEnd.LEAVING)

    async def _somebody(self) -> None:
        if not self._all:
            self._present.clear()
            await self._present.wait()

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FLOOR_S if self.wake_up.is_heard else POLL_S):
                await self._published.wait()

    async def _hand_out(self) -> bool:
        """Hand out up to AT_ONCE notices; whether there may be more."""
        try:
            news = await asyncio.to_thread(self.book.after, self.position)
        except SQLAlchemyError as error:
            _log.warning("notices_not_read", reason=str(error).splitlines()[0])
            await asyncio.sleep(FLOOR_S)
            return False
        if news:
            self._tell(news)
        return len(news) == AT_ONCE

    def _tell(self, news: Collection[Notice]) -> None:
        for notice in news:
            if notice.id <= self.position:  # it was read before everybody left, and one came
                continue
            if notice.id > self.position + 1:  # ids have no gaps: some are no longer kept
                self._end(self._all, SubscriptionEnd.LAGGING)
            self.position = notice.id
            delivery = Delivery.of(notice)
            for place in self._all:
                if place.wants(notice) and not place.put(delivery):
                    self.stats.lost += 1

    async def _check(self) -> None:
        """End the subscriptions whose credential no longer holds."""
        while True:
            await asyncio.sleep(CHECK_S)
            grants = {place.grant for place in self._all}
            if not grants:
                continue
            try:
                known = await asyncio.to_thread(self.still_hold, grants)
            except SQLAlchemyError:  # while the database is away nothing is told either
                continue
            for place in self._all:
                if place.grant in known:
                    place.caller = known[place.grant]
                elif place.grant in grants:
                    place.end(SubscriptionEnd.REVOKED)

    @staticmethod
    def _end(places: Iterable[Subscription], why: SubscriptionEnd) -> None:
        for place in places:
            place.end(why)
