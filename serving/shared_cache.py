"""Answers of the database that all gateways share through Redis, dropped as soon as they change."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import msgspec

from modelyard.registry.changes import changes_key
from modelyard.registry.logs import logger

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")
Counts = list[bytes | None]
KEEP_S = 10
"""Seconds an answer is kept at most: how long one may be wrong whose change was never announced,
because Redis or the writer was lost in the moment after its commit."""

ANSWER_S = 0.5
PAUSE_S = 1.0
"""Seconds Redis is waited for, and is left alone once it has not answered."""

CONNECTIONS = 16
"""At most; a thousand askers at once wait for one of them, not for a thousand of their own."""

_log = logger("modelyard.cache")


@dataclass(frozen=True, slots=True)
class CachedQuery(Generic[T]):
    """What is asked of the database: `look_up` blocks, and reads only the `tables`."""

    name: str
    tables: tuple[str, ...]
    type: Any
    look_up: Callable[[], T]


class _Kept(msgspec.Struct, array_like=True):
    """An answer and the counts of its tables' changes from before it was looked up."""

    counts: Counts
    answer: msgspec.Raw


@dataclass(slots=True)
class SharedCache:
    """One round trip finds an answer and whether it holds; without Redis the database answers.

    The counts are read before the database is: an answer that was overtaken by a commit is kept
    under counts that nobody will see again. An answer is kept for `keep_s` seconds at most.
    """

    client: "Redis | None" = None
    keep_s: int = KEEP_S
    _asked: dict[str, asyncio.Task[Any]] = field(default_factory=dict[str, asyncio.Task[Any]])
    _looking: dict[Any, asyncio.Task[Any]] = field(default_factory=dict[Any, asyncio.Task[Any]])
    _silent_until: float = 0.0

    @classmethod
    def at(cls, url: str, *, answer_s: float = ANSWER_S, keep_s: int = KEEP_S) -> Self:
        """Share through the Redis at `url`, which is waited for `answer_s`; empty: do not share."""
        if not url:
            return cls()
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=None,
            socket_timeout=answer_s,
            socket_connect_timeout=answer_s,
            retry=Retry(NoBackoff(), 0),
        )
        return cls(Redis.from_pool(pool), keep_s)

    async def ask(self, question: CachedQuery[T]) -> T:
        """The answer as of the last announced change; raises what `look_up` raises."""
        client = self.client
        if client is None:
            return await asyncio.to_thread(question.look_up)
        task = self._asked.get(question.name)
        if task is None:
            task = self._asked[question.name] = asyncio.create_task(self._answer(client, question))
            task.add_done_callback(_noted)
        answer: T = await asyncio.shield(task)
        return answer

    async def aclose(self) -> None:
        if self.client is not None:
            await self.client.aclose()

    async def _answer(self, client: "Redis", question: CachedQuery[T]) -> T:
        """For all who asked before this begins; later ones may know of a later commit."""
        del self._asked[question.name]
        counts, kept = await self._read(client, question)
        if counts is None:
            return await asyncio.to_thread(question.look_up)
        if kept is not None and kept.counts == counts:
            answer: T = msgspec.msgpack.decode(kept.answer, type=question.type)
            return answer
        return await self._look_up_once(client, question, counts)

    async def _read(
        self, client: "Redis", question: CachedQuery[T]
    ) -> tuple[Counts | None, _Kept | None]:
        if time.monotonic() < self._silent_until:
            return None, None
        from redis.exceptions import RedisError

        keys = [changes_key(table) for table in question.tables]
        try:
            answers: list[Any] = await client.mget([*keys, _key(question)])
        except RedisError as error:
            self._lost(error)
            return None, None
        *counts, kept = answers
        return counts, msgspec.msgpack.decode(kept, type=_Kept) if kept else None

    async def _look_up_once(self, client: "Redis", question: CachedQuery[T], counts: Counts) -> T:
        """Askers who saw the same counts share one look; one that leaves does not end it."""
        same = question.name, str(counts)
        task = self._looking.get(same)
        if task is None:
            task = self._looking[same] = asyncio.create_task(
                self._look_up(client, question, counts)
            )
            task.add_done_callback(lambda _: self._looking.pop(same))
            task.add_done_callback(_noted)
        answer: T = await asyncio.shield(task)
        return answer

    async def _look_up(self, client: "Redis", question: CachedQuery[T], counts: Counts) -> T:
        from redis.exceptions import RedisError

        answer = await asyncio.to_thread(question.look_up)
        kept = _Kept(counts, msgspec.Raw(msgspec.msgpack.encode(answer)))
        try:
            await client.set(_key(question), msgspec.msgpack.encode(kept), ex=self.keep_s)
        except RedisError as error:
            self._lost(error)
        return answer

    def _lost(self, error: Exception) -> None:
        self._silent_until = time.monotonic() + PAUSE_S
        _log.warning("cache_unreachable", reason=str(error))


def _key(question: CachedQuery[Any]) -> str:
    return f"modelyard:kept:{question.name}"


def _noted(done: asyncio.Task[Any]) -> None:
    """Every asker may have left: then nobody else takes note of an error."""
    if not done.cancelled():
        done.exception()
