"""A real server with a small application, and clients that write what they like."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard.serving.transport.listening.bounds import Bounds
from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.serve import bounded
from modelyard.serving.transport.protocol import GatewayProtocol

QUICK = Bounds(head_s=0.4, body_s=0.4, idle_s=0.8, linger_s=0.5, look_every_s=0.05)
"""The same rules, sooner."""


class SignalFreeServer(uvicorn.Server):
    """uvicorn that leaves signals to whoever runs the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass(slots=True)
class Echo:
    """Answers with what it got; at /work it answers when it is `released`, if anybody waits yet."""

    asked: list[str] = field(default_factory=list[str])
    left: list[str] = field(default_factory=list[str])
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        if scope["path"] == "/unread":
            await _answer(send, {}, 401)
            return
        message: Message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not await self._worked(scope, receive):
            self.left.append(scope["path"])
            return
        names = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
        told = {"path": scope["path"], "method": scope["method"], "headers": names}
        await _answer(send, told | {"query": scope["query_string"].decode(), "size": len(body)})

    async def _worked(self, scope: Scope, receive: Receive) -> bool:
        """Whether the client waited for the end of the work."""
        if not scope["path"].startswith("/work"):
            return True
        leaving = asyncio.ensure_future(receive())
        done = asyncio.ensure_future(self.released.wait())
        await asyncio.wait({leaving, done}, return_when=asyncio.FIRST_COMPLETED)
        gone = leaving.done()
        for task in (leaving, done):
            task.cancel()
        return not gone


async def _answer(send: Send, told: dict[str, Any], status: int = 200) -> None:
    content = json.dumps(told).encode()
    headers = [(b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@dataclass(slots=True)
class ListeningServer:
    """A running server; `connections` are its own."""

    echo: Echo
    connections: Connections
    port: int
    clients: list["Client"] = field(default_factory=list["Client"])

    async def open(self, address: str = "127.0.0.1") -> "Client":
        """It leaves at the end, unless it has before."""
        made = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        self.clients.append(Client(*made))
        return self.clients[-1]

    async def said(self, *parts: bytes) -> "Answer":
        """What comes back for what is written in these parts; the connection is then closed."""
        client = await self.open()
        for part in parts:
            await client.write(part)
            await asyncio.sleep(0)
        answer = await client.answer()
        client.leave()
        return answer


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 0 where the connection ended without one."""

    status: int
    body: bytes = b""
    closes: bool = True

    @property
    def told(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told["headers"]]


@dataclass(slots=True)
class Client:
    """One connection, that nothing is done on by itself."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> None:
        """As far as it is taken: a server may have closed already, and what it said is read."""
        if self.writer.is_closing():
            return
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self) -> Answer:
        """The next one."""
        async with asyncio.timeout(60):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next(int(x[16:]) for x in lines if x.startswith(b"content-length: "))
                body = await self.reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return Answer(0)
            return Answer(int(head[9:12]), body, b"connection: close" in lines)

    async def ended(self) -> bytes:
        """What still came until the server closed."""
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""

    def leave(self) -> None:
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(bounds: Bounds | None = None, **more: Any) -> AsyncGenerator[ListeningServer]:
    """A server on a free port; times are long unless they are given."""
    patient = Bounds(head_s=600, body_s=600, idle_s=600)
    connections = Connections(bounds or patient, **more)
    echo = Echo()
    async with listening(echo, connections, lifespan="off") as port:
        served = ListeningServer(echo, connections, port)
        try:
            yield served
        finally:
            echo.released.set()
            for client in served.clients:
                client.leave()


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, connections: Connections, **more: Any) -> AsyncGenerator[int]:
    """Serve an application as the gateway does; tells the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = bounded(app, connections, GatewayProtocol, timeout_graceful_shutdown=1, **more)
    server = SignalFreeServer(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running


def post(path: str = "/", body: bytes = b"", more: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (
        path.encode(),
        more,
        len(body),
        body,
    )


def get(path: str = "/", more: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path.encode(), more)


def chunked(*parts: bytes, path: str = "/", trailers: bytes = b"") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path.encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return head + chunks + b"0\r\n" + trailers + b"\r\n"


__all__ = [
    "QUICK",
    "Answer",
    "Client",
    "ListeningServer",
    "chunked",
    "get",
    "post",
    "replace",
    "serving",
]
