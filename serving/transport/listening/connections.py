"""All connections of a server: how many it holds, and which ones it closes first."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from modelyard.serving.transport.listening.bounds import Bounds

MANY = 16
"""To make room, 1/MANY of the limit is closed at once, so that the search is rare."""

LOOK_EACH = 64
"""An address over `waiting_each` is checked at every LOOK_EACH-th connection it holds."""


class Connected(Protocol):
    """One connection.

    `is_waiting` is true while no request is at work. `since` is the loop time from which the
    current phase counts.
    """

    address: str
    since: float

    @property
    def is_waiting(self) -> bool: ...

    def look(self, now: float) -> None:
        """End the connection if its client has taken too long."""
        ...

    def cut(self) -> None:
        """Abort at once; unsent bytes are lost."""
        ...


def nobody(_address: str) -> bool:
    return False


@dataclass(slots=True)
class Connections:
    """Admits connections and checks them every `look_every_s` seconds.

    `most` is the limit on all connections; `waiting_each` on one address' waiting ones (0: no
    limit). An address for which `is_proxy` is true stands for many clients and has no limit.
    """

    bounds: Bounds = field(default_factory=Bounds)
    most: int = 32_768
    waiting_each: int = 0
    is_proxy: Callable[[str], bool] = nobody
    count: int = 0
    _by_address: dict[str, dict[Connected, None]] = field(
        default_factory=dict[str, dict[Connected, None]]
    )
    _is_looking: bool = False

    def __iter__(self) -> Iterator[Connected]:
        return (connection for here in self._by_address.values() for connection in here)

    def let_in(self, connection: Connected, loop: asyncio.AbstractEventLoop) -> bool:
        """Admit a connection, closing waiting ones to make room; False if there is no room."""
        here = self._by_address.get(connection.address)
        if here is not None and self._has_too_many(connection.address, len(here)):
            self._hold_to_share(here)
        if self.count >= self.most and not self._make_room():
            return False
        self._by_address.setdefault(connection.address, {})[connection] = None
        self.count += 1
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(self.bounds.look_every_s, self._look, loop)
        return True

    def leave(self, connection: Connected) -> None:
        """Forget a connection that has ended or is about to; further calls do nothing."""
        here = self._by_address.get(connection.address, {})
        if connection in here:
            del here[connection]
            self.count -= 1
            if not here:
                del self._by_address[connection.address]

    def _has_too_many(self, address: str, count: int) -> bool:
        is_over = 0 < self.waiting_each < count and not count % LOOK_EACH
        return is_over and not self.is_proxy(address)

    def _hold_to_share(self, here: Iterable[Connected]) -> None:
        """Close the longest waiting connections of an address that holds more than its share."""
        waiting = sorted((c for c in here if c.is_waiting), key=lambda c: c.since)
        if len(waiting) > self.waiting_each:
            self._cut(waiting[: len(waiting) - self.waiting_each + self.waiting_each // MANY])

    def _make_room(self) -> bool:
        """Close waiting connections: those of the addresses with most, longest wait first."""
        ranked = list[tuple[int, float, Connected]]()
        for here in self._by_address.values():
            newest_first = (c for c in reversed(here) if c.is_waiting)
            waiting = sorted(newest_first, key=lambda c: -c.since)
            ranked += [(-newer, c.since, c) for newer, c in enumerate(waiting)]
        ranked.sort(key=lambda entry: entry[:2])
        self._cut([c for _, _, c in ranked[: max(1, self.most // MANY)]])
        return bool(ranked)

    def _cut(self, connections: Iterable[Connected]) -> None:
        for connection in connections:
            self.leave(connection)
            connection.cut()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self):
            connection.look(now)
        self._is_looking = bool(self.count)
        if self._is_looking:
            loop.call_later(self.bounds.look_every_s, self._look, loop)
