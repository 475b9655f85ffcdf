"""Answers go on while their clients do not read, within bounds; who takes nothing is cut off."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.protocol import GatewayProtocol
from modelyard.serving.transport.stalled import unsent
from modelyard.serving.transport.unread import CROWDED_S, HOLDING_S, ClientConnection, Unread

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both loops: asyncio's own, and uvloop, which is what serves."""
    return "asyncio", {"use_uvloop": request.param}


PART = 20_000
PARTS = 250
"""Five megabytes: more than the sockets hold."""

POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
END = b"0\r\n\r\n"
MEGABYTE = 1024 * 1024


@dataclass(slots=True)
class Talker:
    """Sends its parts as fast as it may; `sent` of them, by request."""

    parts: int = PARTS
    sent: list[int] = field(default_factory=list[int])
    ended: list[Scope] = field(default_factory=list[Scope])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = len(self.sent)
        self.sent.append(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(self.parts):
            body = b"%d" % (number % 10) * PART
            await send({"type": "http.response.body", "body": body, "more_body": True})
            self.sent[number] += 1
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})
        self.ended.append(scope)


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    """All of it in one body."""
    length = str(PART * PARTS).encode()
    head: list[tuple[bytes, bytes]] = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"0" * PART * PARTS})


@dataclass(slots=True)
class ProtocolServer:
    """The gateway's protocol on a real socket, looked after by the test's own clock."""

    unread: Unread
    address: tuple[str, int]
    state: ServerState = field(default_factory=ServerState)

    def look(self, now: float) -> None:
        self.unread.look(cast("set[ClientConnection]", self.state.connections), now)

    async def settle(self) -> None:
        """Until the kernel moves nothing more to clients that do not read."""
        before = -1
        now = 0
        while before != now:
            await asyncio.sleep(0.05)
            connections = cast("set[ClientConnection]", self.state.connections)
            before, now = now, sum(unsent(reader.transport) for reader in connections)

    async def ask(self, request: bytes = POST) -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, self.address)
        await loop.sock_sendall(client, request)
        return client


@asynccontextmanager
async def served(app: Any, **bounds: Any) -> AsyncGenerator[ProtocolServer]:
    config = Config(app, http=GatewayProtocol, lifespan="off", log_level="critical")
    config.load()
    unread = Unread(**bounds)
    state = ServerState()  # type: ignore[arg-type]

    def connect() -> GatewayProtocol:
        return GatewayProtocol(config, state, {}, connections=Connections(), unread=unread)

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    try:
        yield ProtocolServer(unread, server.sockets[0].getsockname(), state)
    finally:  # uvloop's close waits for what is open
        server.close()
        for connection in [*state.connections]:
            connection.transport.abort()
        await until(lambda: not state.connections and not state.tasks)
    assert unread.waiting == 0


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.01)


async def rest(client: socket.socket, ends: int = 1) -> bytes:
    """All that comes until so many answers have ended, or the connection has."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MEGABYTE)
    heard = bytearray()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        while heard.count(END, -2 * len(END)) + (ends > 1) * heard.count(END + b"HTTP") < ends:
            try:
                part = await loop.sock_recv(client, MEGABYTE)
            except ConnectionResetError:
                break
            if not part:
                break
            heard += part
    return bytes(heard)


async def test_an_answer_is_taken_whole_before_it_is_read() -> None:
    """Its engine is done; the client gets every byte, in order, when it reads."""
    talker = Talker()
    async with served(talker) as server:
        with await server.ask() as client:
            await until(lambda: talker.sent == [PARTS])
            assert server.unread.waiting > MEGABYTE
            assert talker.ended == []  # the request goes on until its client has read
            heard = await rest(client)
            await until(lambda: talker.ended)
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == (b"4e20\r\n" + b"0" * PART + b"\r\n") * PARTS + END


async def test_the_next_answer_comes_after_what_is_kept() -> None:
    """On one connection answers never overtake one another."""
    talker = Talker()
    async with served(talker) as server:
        with await server.ask(POST + POST) as client:
            await until(lambda: talker.sent == [PARTS])
            heard = await rest(client, ends=2)
    first, second = heard.split(END + b"HTTP/1.1 200")
    assert (first.count(b"0" * PART), first.count(b"1" * PART)) == (PARTS, 0)
    assert (second.count(b"0" * PART), second.count(b"1" * PART)) == (0, PARTS)


async def test_beyond_its_part_an_answer_waits() -> None:
    """And goes on as soon as its client reads."""
    talker = Talker()
    async with served(talker, most_bytes=16 * MEGABYTE) as server:
        with await server.ask() as client:
            await until(lambda: server.unread.waiting >= MEGABYTE)
            await asyncio.sleep(0.2)
            assert server.unread.waiting < MEGABYTE + 2 * PART
            assert talker.sent[0] < PARTS
            assert len(await rest(client)) > PART * PARTS


async def test_who_takes_nothing_is_cut_off() -> None:
    """After the time that is set, whether its answer is complete or not; the request knows why."""
    talker = Talker()
    async with served(talker, patience_s=100.0) as server:
        with await server.ask():
            await until(lambda: talker.sent == [PARTS])
            server.look(0.0)
            server.look(99.0)
            assert server.unread.waiting
            server.look(100.0)
            assert server.unread.waiting == 0
            await until(lambda: talker.ended)
            assert talker.ended[0]["state"]["unread"] is True
            await until(lambda: not server.state.connections)


async def test_who_takes_a_little_is_not() -> None:
    """However slow it is."""
    talker = Talker()
    async with served(talker, patience_s=100.0) as server:
        with await server.ask() as client:
            await until(lambda: talker.sent == [PARTS])
            for now in range(0, 1000, 90):
                server.look(float(now))
                for _ in range(40):  # the window opens by some kilobytes at a time
                    await asyncio.get_running_loop().sock_recv(client, 1024)
                    await asyncio.sleep(0.002)
            assert server.unread.waiting
            assert len(await rest(client)) > PART * (PARTS - 40)


async def test_who_holds_an_engine_back_has_less_time() -> None:
    """Its part is full: it may not keep the engine for as long as memory alone."""
    talker = Talker()
    async with served(talker, patience_s=1e6, most_bytes=16 * MEGABYTE) as server:
        with await server.ask():
            await until(lambda: server.unread.waiting >= MEGABYTE)
            server.look(0.0)
            server.look(HOLDING_S - 1)
            assert server.unread.waiting
            server.look(HOLDING_S)
            assert server.unread.waiting == 0


async def test_where_there_is_too_much_the_longest_stalled_are_cut_off() -> None:
    """As many as it takes, the others go on."""
    talker = Talker()
    most = 4 * MEGABYTE
    async with served(talker, patience_s=1e6, most_bytes=most) as server:
        clients = list[socket.socket]()
        while server.unread.waiting < most:
            clients.append(await server.ask())
            full = min(most, len(clients) * most // 16)
            await until(lambda full=full: server.unread.waiting >= full)
            await server.settle()
            server.look(len(clients) / 100)
        server.look(CROWDED_S)
        await until(lambda: len(server.state.connections) == len(clients))
        server.look(1.0 + CROWDED_S)
        assert server.unread.waiting < most
        await until(lambda: len(server.state.connections) == len(clients) - 1)
        assert not (await rest(clients[0])).endswith(END)
        for client in clients:
            client.close()


async def test_a_client_that_leaves_gives_back_what_was_kept_for_it() -> None:
    """At once; the answer's sends return."""
    talker = Talker()
    async with served(talker, most_bytes=16 * MEGABYTE) as server:
        with await server.ask():
            await until(lambda: server.unread.waiting >= MEGABYTE)
        await until(lambda: talker.ended)
        assert server.unread.waiting == 0


async def test_a_whole_answer_waits_too() -> None:
    """It counts, its request goes on until it is read, and who does not read it is cut off."""
    async with served(whole, patience_s=100.0) as server:
        with await server.ask() as client:
            await until(lambda: server.unread.waiting == PART * PARTS)
            assert server.state.tasks
            read = 0
            while read < PART * PARTS:
                read += len(await asyncio.get_running_loop().sock_recv(client, MEGABYTE))
            await until(lambda: not server.state.tasks)
            assert server.unread.waiting == 0
        with await server.ask():
            await until(lambda: server.unread.waiting)
            server.look(0.0)
            server.look(100.0)
            await until(lambda: not server.state.tasks)
