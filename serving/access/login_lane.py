"""The lane that password checks wait in: few at a time, and each address in its turn.

A check takes 64 MB and 50 ms of a core. Whoever floods the lane waits behind its own tries, while
the next try of any other address is at most one round away.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from modelyard.serving.errors import TooManyLogins

AT_ONCE = 2
EACH = 4
"""Tries of one address that may wait."""

WAITING = 64
"""Tries of all addresses that may wait: the last of them does so for about two seconds."""

RETRY_S = 2


@dataclass(slots=True)
class LoginLane:
    """Gives places to at most `at_once` checks; a cancelled wait leaves no trace."""

    at_once: int = AT_ONCE
    each: int = EACH
    most: int = WAITING
    running: int = 0
    _waiting: OrderedDict[str, deque[asyncio.Future[None]]] = field(
        default_factory=OrderedDict[str, deque[asyncio.Future[None]]]
    )

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def place(self, address: str) -> AsyncGenerator[None]:
        """Wait for a place and hold it; raises TooManyLogins where too many wait already."""
        if self.running < self.at_once:
            self.running += 1
        else:
            await self._wait(address)
        try:
            yield
        finally:
            self._free()

    async def _wait(self, address: str) -> None:
        own = self._waiting.get(address, ())
        if len(own) >= self.each or self.waiting >= self.most:
            raise TooManyLogins(
                "Too many logins wait for their check.",
                fix="Try again in a moment.",
                retry_s=RETRY_S,
            )
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free()  # it was given a place in the same moment
            else:
                self._leave(address, turn)
            raise

    def _free(self) -> None:
        """Pass the place on to the address whose turn it is."""
        while self._waiting:
            address, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[address] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1

    def _leave(self, address: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(address)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[address]
