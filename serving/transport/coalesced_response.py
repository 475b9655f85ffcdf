"""Writes one answer to POST: head and body in one write, at the pace at which the client reads."""

import asyncio
from collections import deque
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from modelyard.serving.transport.deferred_write import write_soon
from modelyard.serving.transport.unread import Unread

BODILESS = (204, 304)
PART = 64 * 1024
"""Bytes per write to a client that is behind: as many as a transport buffers."""


class CoalescedResponse:
    """An ASGI app that writes its answer as uvicorn would, and keeps uvicorn's cycle up to date.

    The head is written with the first body part. It is validated once and as a whole: uvicorn
    searches every name and every value, which costs more than everything else it does to write.

    While the client does not read, parts are kept here and `send` returns at once; it waits only
    beyond what `unread` allows. A transport would use four times the memory for each part.
    """

    __slots__ = (
        "_app",
        "_big",
        "_counted",
        "_cycle",
        "_head",
        "_is_chunked",
        "_kept",
        "_kept_bytes",
        "_loop",
        "_news",
        "_unread",
        "holds_back",
    )

    def __init__(
        self,
        cycle: RequestResponseCycle,
        app: ASGIApp,
        loop: asyncio.AbstractEventLoop,
        unread: Unread,
    ) -> None:
        self._cycle = cycle
        self._app = app
        self._loop = loop
        self._unread = unread
        self._head = b""
        self._is_chunked = True
        self._kept: deque[bytes] = deque()
        self._kept_bytes = self._big = self._counted = 0
        self._news: asyncio.Future[None] | None = None
        self.holds_back = False

    def __call__(self, scope: Scope, receive: Receive, _send: Send) -> Awaitable[None]:
        return self._app(scope, receive, self.send)

    async def send(self, message: Message) -> None:
        cycle = self._cycle
        if cycle.flow.write_paused:
            await self._room()
        if cycle.disconnected:
            return
        if not (self._head or cycle.response_started):
            self._head = self._headed(message["status"], message.get("headers", []))
        elif not cycle.response_complete:
            body = message.get("body", b"")
            is_last = not message.get("more_body", False)
            self._write(body, is_last=is_last)
            if is_last:
                if cycle.flow.write_paused or len(body) > PART:
                    await self._taken(len(body))
                self._complete()

    # Called by the connection

    def go_on(self) -> None:
        """Write more of the kept parts after the client has read."""
        cycle = self._cycle
        kept = self._kept
        while kept and not cycle.flow.write_paused and not cycle.transport.is_closing():
            part = [kept.popleft()]
            size = len(part[0])
            while kept and size + len(kept[0]) <= PART:
                size += len(kept[0])
                part.append(kept.popleft())
            self._kept_bytes -= size
            cycle.transport.write(b"".join(part))
        self._count()
        self._wake()

    def drop(self) -> None:
        """Discard the kept parts: the client is gone."""
        self._kept.clear()
        self._kept_bytes = self._big = 0
        self._count()
        self._wake()

    # Called by the answer

    async def _room(self) -> None:
        """Wait until `unread` allows more bytes to be kept."""
        while not self._unread.has_room(self._kept_bytes) and self._is_behind():
            self.holds_back = True
            await self._next_news()
        self.holds_back = False

    async def _taken(self, size: int) -> None:
        """Wait until the transport can hold the rest; `size` is the last body's, in bytes."""
        await asyncio.sleep(0)  # the body is written at the end of this turn
        if self._is_behind() and not self._kept:
            self._big = size
            self._count()
        while self._is_behind():
            await self._next_news()
        self._big = 0
        self._count()

    def _is_behind(self) -> bool:
        cycle = self._cycle
        return not cycle.disconnected and (cycle.flow.write_paused or bool(self._kept))

    def _next_news(self) -> asyncio.Future[None]:
        news = self._news = self._loop.create_future()
        return news

    def _wake(self) -> None:
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)

    def _count(self) -> None:
        size = self._kept_bytes + self._big
        self._unread.waiting += size - self._counted
        self._counted = size

    def _headed(self, status: int, given: list[tuple[bytes, bytes]]) -> bytes:
        cycle = self._cycle
        lines = [b": ".join(pair) for pair in (*cycle.default_headers, *given)]
        if not cycle.keep_alive:
            lines.append(b"connection: close")
        head = STATUS_LINE[status] + b"\r\n".join([*lines, b""])
        if not head.count(b"\n") == head.count(b"\r") == len(lines) + 1 or b"\0" in head:
            raise RuntimeError("A header has a line break.")
        self._is_chunked = status not in BODILESS and b"\r\ncontent-length: " not in head
        return head + (b"transfer-encoding: chunked\r\n\r\n" if self._is_chunked else b"\r\n")

    def _write(self, body: bytes, *, is_last: bool) -> None:
        cycle = self._cycle
        head, self._head = self._head, b""
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        if self._is_chunked:
            head = b"%b%x\r\n%b\r\n" % (head, len(body), body) if body else head
            body = b"0\r\n\r\n" if is_last else b""
        if not (self._kept or cycle.flow.write_paused):
            write_soon(self._loop, cycle.transport, (head, body))
            return
        self._kept.append(head + body)
        self._kept_bytes += len(head) + len(body)
        self._count()

    def _complete(self) -> None:
        cycle = self._cycle
        if cycle.disconnected:
            return
        cycle.response_complete = True
        cycle.message_event.set()
        if cycle.keep_alive:
            cycle.on_response()
        else:
            self._loop.call_soon(self._close)

    def _close(self) -> None:
        """Close the connection; requests read after this one get no answer."""
        self._cycle.transport.close()
        self._cycle.on_response()
