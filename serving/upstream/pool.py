"""A pool of keep-alive connections to engines, closed when idle or silent for too long."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from modelyard.serving.upstream.answer import HttpAnswer
from modelyard.serving.upstream.connection import EngineConnection
from modelyard.serving.upstream.response import EngineGone

CONNECT_S = 5.0
IDLE_S = 30.0
"""Seconds an unused connection is kept; shorter than the engines' keep-alive timeout."""

SWEEP_S = 1.0


@dataclass(slots=True)
class Pool:
    """Connections by origin; `silent_s` is the longest that an awaited engine may send nothing."""

    silent_s: float
    _idle: dict[str, list[EngineConnection]] = field(
        default_factory=dict[str, list[EngineConnection]]
    )
    _open: set[EngineConnection] = field(default_factory=set[EngineConnection])

    @classmethod
    @asynccontextmanager
    async def running(cls, silent_s: float) -> AsyncGenerator[Self]:
        """Run a pool; all its connections are closed when the block ends."""
        pool = cls(silent_s)
        sweeping = asyncio.create_task(pool._sweep())
        try:
            yield pool
        finally:
            sweeping.cancel()
            for connection in list(pool._open):
                connection.fail("the gateway ends")

    async def send(self, origin: str, head: bytes, body: bytes) -> HttpAnswer:
        """Send a request to `http://host:port`; returns once the answer's head has arrived.

        `head` is complete except for Content-Length. The caller closes the answer. Raises
        EngineGone if the engine does not answer.

        A kept connection may have been closed by an engine that ended since; if it breaks before a
        byte of the answer, the request is sent once more on a new connection.
        """
        head = b"%bContent-Length: %d\r\n\r\n" % (head, len(body))
        kept = self._take(origin)
        if kept is not None:
            answer = kept.send(head, body)
            try:
                await answer.head()
            except EngineGone:
                if not kept.was_stale:
                    raise
            else:
                return answer
        return await self._afresh(origin, head, body, had_it=kept is not None)

    async def _afresh(self, origin: str, head: bytes, body: bytes, *, had_it: bool) -> HttpAnswer:
        """Send on a new connection; if that fails and `had_it`, the request may be the cause."""
        try:
            connection = await self._connect(origin)
        except EngineGone as gone:
            gone.in_hand = had_it
            raise
        answer = connection.send(head, body)
        await answer.head()
        return answer

    def _take(self, origin: str) -> EngineConnection | None:
        """The most recently used open connection, so that surplus ones expire; or None."""
        idle = self._idle.get(origin, ())
        while idle:
            connection = idle.pop()
            if connection.is_usable:
                return connection
        return None

    async def _connect(self, origin: str) -> EngineConnection:
        at = urlsplit(origin)
        secured = ssl.create_default_context() if at.scheme == "https" else None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: EngineConnection(
                        partial(self._keep, origin), partial(self._forget, origin)
                    ),
                    at.hostname or "",
                    at.port or (443 if secured else 80),
                    ssl=secured,
                )
        except (OSError, TimeoutError) as error:
            raise EngineGone(f"no connection to {origin}: {error}") from error
        self._open.add(connection)
        return connection

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            for connection in list(self._open):
                silence = loop.time() - connection.heard_at
                if connection.answer is None and silence > IDLE_S:
                    connection.close()
                elif silence > self.silent_s and not connection.is_paused:
                    connection.fail(f"it said nothing for {silence:.0f} s")

    def _keep(self, origin: str, connection: EngineConnection) -> None:
        self._idle.setdefault(origin, []).append(connection)

    def _forget(self, origin: str, connection: EngineConnection) -> None:
        self._open.discard(connection)
        idle = self._idle.get(origin, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(origin, None)
