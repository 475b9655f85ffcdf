"""Connections to engines: kept, used again while they are sound, and watched for silence."""

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
"""Seconds an unused connection is kept: less than the engines keep theirs."""

SWEEP_S = 1.0


@dataclass(slots=True)
class Pool:
    """`silent_s`: the longest that an engine may say nothing while an answer is awaited."""

    silent_s: float
    _idle: dict[str, list[EngineConnection]] = field(
        default_factory=dict[str, list[EngineConnection]]
    )
    _open: set[EngineConnection] = field(default_factory=set[EngineConnection])

    @classmethod
    @asynccontextmanager
    async def running(cls, silent_s: float) -> AsyncGenerator[Self]:
        """Closes what is open when the block ends."""
        pool = cls(silent_s)
        sweeping = asyncio.create_task(pool._sweep())
        try:
            yield pool
        finally:
            sweeping.cancel()
            for connection in list(pool._open):
                connection.fail("the gateway ends")

    async def send(self, origin: str, head: bytes, body: bytes) -> HttpAnswer:
        """Send a request to `http://host:port`; returns with the answer's head, to be closed.

        `head` lacks nothing but the length of the body.

        Raises EngineGone. A kept connection may have been closed by an engine that ended since:
        where it breaks before a byte came back, the request goes out once more on a new one.
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
        """On a new connection; who refuses it may have ended by what the last one had brought."""
        try:
            connection = await self._connect(origin)
        except EngineGone as gone:
            gone.in_hand = had_it
            raise
        answer = connection.send(head, body)
        await answer.head()
        return answer

    def _take(self, origin: str) -> EngineConnection | None:
        """The one used last: those beyond the need become old and leave."""
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
