"""One answer to POST as it is written: head and body in one write."""

import asyncio
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from serving.writing import write_soon

BODILESS = (204, 304)


class JoinedAnswer:
    """The application whose answer is written here, in uvicorn's bytes; its cycle is told so.

    The head waits for the first of the body. What is in it is looked at once and as a whole:
    uvicorn searches every name and every value, which costs more than all else that it writes.
    """

    __slots__ = ("_app", "_cycle", "_head", "_is_chunked", "_loop")

    def __init__(
        self, cycle: RequestResponseCycle, app: ASGIApp, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._cycle = cycle
        self._app = app
        self._loop = loop
        self._head = b""
        self._is_chunked = True

    def __call__(self, scope: Scope, receive: Receive, _send: Send) -> Awaitable[None]:
        return self._app(scope, receive, self.send)

    async def send(self, message: Message) -> None:
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        if not (self._head or cycle.response_started):
            self._head = self._headed(message["status"], message.get("headers", []))
        elif not cycle.response_complete:
            self._write(message.get("body", b""), is_last=not message.get("more_body", False))

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
        write_soon(self._loop, cycle.transport, (head, body))
        if is_last:
            cycle.response_complete = True
            cycle.message_event.set()
            if cycle.keep_alive:
                cycle.on_response()
            else:
                self._loop.call_soon(self._close)

    def _close(self) -> None:
        """What was asked after this is not answered."""
        self._cycle.transport.close()
        self._cycle.on_response()
