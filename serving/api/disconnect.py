"""Cancels the work for a client that disconnects before its answer is complete."""

import asyncio
from dataclasses import dataclass, field

from starlette.types import Receive

LOOK_AFTER_S = 0.05
"""Seconds after which watching begins; faster answers do not pay for it."""


class DisconnectWatcher:
    """Between `watch` and `stop`, cancels the task that called `watch` if the client disconnects.

    The body must have been read, so that the next message that matters is the disconnect.
    """

    __slots__ = ("gone", "looking", "receive", "soon", "task")

    def __init__(self, receive: Receive, soon: "Soon") -> None:
        self.receive = receive
        self.soon = soon
        self.gone = False
        self.task: asyncio.Task[object] | None = None
        self.looking: asyncio.Task[None] | None = None

    def watch(self) -> None:
        loop = asyncio.get_running_loop()
        self.task = asyncio.current_task(loop)
        self.soon.look(self, loop)

    def stop(self) -> None:
        """Stop watching: the answer is complete or has failed."""
        if self.task is None:
            return
        self.task = None
        self.soon.waiting.pop(self, None)
        if self.looking is not None:
            self.looking.cancel()

    def swallow(self) -> None:
        """Handle a cancellation: absorb it if this watcher caused it, else raise it again."""
        task = asyncio.current_task()
        if not self.gone or task is None:
            raise asyncio.CancelledError
        task.uncancel()

    def begin(self) -> None:
        """Start waiting for the disconnect."""
        self.looking = asyncio.ensure_future(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if self.task is not None:
            self.gone = True
            self.task.cancel()


@dataclass(slots=True)
class Soon:
    """Starts each watcher after LOOK_AFTER_S, with one timer for all, as most end before that."""

    waiting: dict[DisconnectWatcher, float] = field(default_factory=dict[DisconnectWatcher, float])
    _timed: bool = False

    def look(self, watcher: DisconnectWatcher, loop: asyncio.AbstractEventLoop) -> None:
        at = self.waiting[watcher] = loop.time() + LOOK_AFTER_S
        if not self._timed:
            self._timed = True
            loop.call_at(at, self._begin)

    def _begin(self) -> None:
        """Start the watchers that are due, oldest first, and set the timer for the next."""
        loop = asyncio.get_running_loop()
        waiting = self.waiting
        now = loop.time()
        while (first := next(iter(waiting), None)) is not None and waiting[first] <= now:
            del waiting[first]
            first.begin()
        self._timed = first is not None
        if first is not None:
            loop.call_at(waiting[first], self._begin)
