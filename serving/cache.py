"""A short, bounded memory of slow answers, with one lookup at a time for each question."""

import asyncio
import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError, SQLAlchemyError

PATIENCE_S = 1.0
LIMIT_S = 15.0
"""Seconds that askers wait for the database: where an older answer is known, and where none is."""

LAST_S = 300.0
"""Seconds from its asking in which an older answer is given while the database gives no new one."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


@dataclass(slots=True)
class SingleFlightCache(Generic[K, V]):
    """Answers of a blocking lookup, asked in a thread and kept for some seconds from the asking.

    Askers of one key share one lookup; one that leaves does not end it. Errors are not kept.
    `known` is the answer where it is kept, None where it has to be asked for: a timer removes what
    is too old, so that who asks, for each request, looks at no clock.

    Where the database does not answer, or takes longer than `patience_s`, the answer of before
    holds on for `last_s` seconds; without one the asker gets OperationalError after `limit_s`.
    """

    look_up: Callable[[K], V]
    seconds: float
    entries: int = 4096
    last_s: float = 0.0
    patience_s: float = PATIENCE_S
    limit_s: float = LIMIT_S
    known: Callable[[K], V | None] = field(init=False)
    _kept: dict[K, V] = field(default_factory=dict[K, V])
    _asking: dict[K, asyncio.Future[V]] = field(default_factory=dict[K, asyncio.Future[V]])
    _last: dict[K, tuple[V, float]] = field(default_factory=dict[K, "tuple[V, float]"])
    _overdue: set[K] = field(default_factory=set[K])

    def __post_init__(self) -> None:
        self.known = self._kept.get

    async def get(self, key: K) -> V:
        if key in self._kept:
            return self._kept[key]
        asking = self._asking.get(key) or self._ask(key)
        last = self._last.get(key)
        if last is None or last[1] < time.monotonic():
            return await self._within(asking, self.limit_s)
        try:
            return await self._within(asking, 0.0 if key in self._overdue else self.patience_s)
        except SQLAlchemyError:
            if self._asking.get(key) is asking:
                self._overdue.add(key)
            return last[0]

    @staticmethod
    async def _within(asking: asyncio.Future[V], seconds: float) -> V:
        """The answer, if it comes in time; else OperationalError, as for a lost connection."""
        try:
            return await asyncio.wait_for(asyncio.shield(asking), seconds)
        except TimeoutError as error:
            raise OperationalError("a read that took too long", None, error) from error

    def outdated(self, key: K) -> None:
        """Ask anew at the next question; what was known holds on if there is no answer."""
        self._kept.pop(key, None)
        self._asking.pop(key, None)

    def forget(self, key: K) -> None:
        """Also the answer of a lookup that is under way: its askers get it, nobody after them."""
        self.outdated(key)
        self._last.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._asking.clear()
        self._last.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def _ask(self, key: K) -> asyncio.Future[V]:
        until = asyncio.get_running_loop().time() + self.seconds
        asking = asyncio.ensure_future(asyncio.to_thread(self.look_up, key))
        self._asking[key] = asking
        asking.add_done_callback(lambda done: self._answered(key, done, until))
        return asking

    def _answered(self, key: K, done: asyncio.Future[V], until: float) -> None:
        failed = done.cancelled() or done.exception() is not None
        if self._asking.get(key) is not done:
            return
        del self._asking[key]
        self._overdue.discard(key)
        if failed:
            if done.cancelled() or not isinstance(done.exception(), SQLAlchemyError):
                self._last.pop(key, None)  # the database did answer, and this is no more
            return
        answer = done.result()
        self._put(self._kept, key, answer)
        if self.last_s:
            self._put(self._last, key, (answer, time.monotonic() + self.last_s))
        if self.seconds < math.inf:
            asyncio.get_running_loop().call_at(until, self._expire, key, answer)

    def _put(self, kept: dict[K, T], key: K, value: T) -> None:
        """Keep a value as the newest; the oldest leaves where there are too many."""
        kept.pop(key, None)
        if len(kept) >= self.entries:
            del kept[next(iter(kept))]
        kept[key] = value

    def _expire(self, key: K, answer: V) -> None:
        if self._kept.get(key) is answer:
            del self._kept[key]
