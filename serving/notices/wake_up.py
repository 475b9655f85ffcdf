"""Hears from Redis that some process has published notices."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from modelyard.registry.changes import changes_channel
from modelyard.registry.logs import logger
from modelyard.registry.notices.tables import NoticeRow

PAUSE_S = 1.0
"""Seconds between attempts to reach a Redis that does not answer."""

_log = logger("modelyard.notices")


@dataclass(slots=True)
class WakeUp:
    """Calls `published` at each announcement; `is_heard` while Redis can be relied on for it.

    What is announced while Redis is away is lost: the bus looks into the table more often then.
    """

    redis_url: str
    is_heard: bool = False

    async def listen(self, published: Callable[[], None]) -> None:
        """Listen for ever; without a Redis it ends at once."""
        if not self.redis_url:
            return
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        async with Redis.from_url(self.redis_url, socket_connect_timeout=PAUSE_S) as client:
            while True:
                try:
                    async with client.pubsub() as announced:
                        await announced.subscribe(changes_channel(NoticeRow.__tablename__))
                        async for _ in announced.listen():  # the first confirms the subscription
                            self.is_heard = True
                            published()
                except (RedisError, OSError) as error:
                    if self.is_heard:
                        _log.warning("redis_lost", reason=str(error))
                self.is_heard = False
                await asyncio.sleep(PAUSE_S)
