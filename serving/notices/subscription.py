"""What one listener waits for: a bounded queue that never holds up anybody else."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from modelyard.registry.identity.caller import Caller
from modelyard.registry.identity.grants import Grant
from modelyard.registry.notices.notice import Notice, Topic
from modelyard.serving.notices.delivery import Delivery


class SubscriptionEnd(Enum):
    """Why a subscription is over; the value is the WebSocket's close code."""

    LEFT = 1000
    LEAVING = 1012
    REVOKED = 4401
    LAGGING = 4408


@dataclass(slots=True, eq=False)
class Subscription:
    """The notices of some topics that one listener may read.

    It asked for those after the id `after` (None: from now on), and joined the bus when that had
    handed out all up to `joined_at`. Ids up to `known_to` are not put here, and `last_id` is the
    newest that was handed out. At most `most` notices wait; with one more the listener has lost its
    place: nothing waits any more, and it may come again with `last_id`.
    """

    caller: Caller
    grant: Grant
    topics: frozenset[Topic]
    after: int | None
    joined_at: int
    most: int
    known_to: int = field(init=False)
    last_id: int = field(init=False)
    ending: SubscriptionEnd | None = None
    _waiting: deque[Delivery] = field(default_factory=deque[Delivery])
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.last_id = self.joined_at if self.after is None else self.after
        self.known_to = max(self.last_id, self.joined_at)

    def wants(self, notice: Notice) -> bool:
        if self.ending is not None or notice.id <= self.known_to:
            return False
        return notice.topic in self.topics and notice.is_for(self.caller)

    def put(self, delivery: Delivery) -> bool:
        """Hand it to the listener; False where that has fallen behind and lost its place."""
        if len(self._waiting) >= self.most:
            self.end(SubscriptionEnd.LAGGING)
            return False
        self._waiting.append(delivery)
        self._news.set()
        return True

    def end(self, why: SubscriptionEnd) -> None:
        """Nothing is handed out any more; the first reason stays."""
        if self.ending is None:
            self.ending = why
            self._waiting.clear()
            self._news.set()

    async def next(self, patience_s: float) -> list[Delivery]:
        """All that waits, oldest first; nothing after `patience_s` seconds or once it is over."""
        if not self._waiting and self.ending is None:
            self._news.clear()
            loop = asyncio.get_running_loop()
            timer = loop.call_later(patience_s, self._news.set)
            try:
                await self._news.wait()
            finally:
                timer.cancel()
        found = list(self._waiting)
        self._waiting.clear()
        if found:
            self.last_id = found[-1].id
        return found
