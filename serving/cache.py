"""A short, bounded memory of slow answers, with one lookup at a time for each question."""

import asyncio
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class SingleFlightCache(Generic[K, V]):
    """Answers of a blocking lookup, asked in a thread and kept for some seconds from the asking.

    Askers of one key share one lookup; one that leaves does not end it. Errors are not kept.
    `known` is the answer where it is kept, None where it has to be asked for: a timer removes what
    is too old, so that who asks, for each request, looks at no clock.
    """

    look_up: Callable[[K], V]
    seconds: float
    entries: int = 4096
    known: Callable[[K], V | None] = field(init=False)
    _kept: dict[K, V] = field(default_factory=dict[K, V])
    _asking: dict[K, asyncio.Future[V]] = field(default_factory=dict[K, asyncio.Future[V]])

    def __post_init__(self) -> None:
        self.known = self._kept.get

    async def get(self, key: K) -> V:
        if key in self._kept:
            return self._kept[key]
        return await asyncio.shield(self._asking.get(key) or self._ask(key))

    def forget(self, key: K) -> None:
        """Also the answer of a lookup that is under way: its askers get it, nobody after them."""
        self._kept.pop(key, None)
        self._asking.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._asking.clear()

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
        if failed:
            return
        answer = done.result()
        self._kept.pop(key, None)
        if len(self._kept) >= self.entries:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = answer
        if self.seconds < math.inf:
            asyncio.get_running_loop().call_at(until, self._expire, key, answer)

    def _expire(self, key: K, answer: V) -> None:
        if self._kept.get(key) is answer:
            del self._kept[key]
