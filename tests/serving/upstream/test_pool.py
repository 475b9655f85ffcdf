"""Connections to engines, against servers that behave well and badly on purpose."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from modelyard.serving.upstream.answer import HttpAnswer
from modelyard.serving.upstream.connection import MOST_HEAD
from modelyard.serving.upstream.pool import Pool
from modelyard.serving.upstream.response import EngineGone, NoHttpAnswer

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
WHOLE = OK + b"content-length: 5\r\n\r\nhello"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\n"
WITHIN_S = 60.0

Behaviour = Callable[
    ["ScriptedServer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]
]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that serves: what it does between a call to send and its write is part of this."""
    return "asyncio", {"use_uvloop": True}


@dataclass(slots=True)
class ScriptedServer:
    """Reads a request, then behaves; counts connections and requests."""

    behave: Behaviour
    url: str = ""
    connections: int = 0
    requests: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"{}")
                self.requests += 1
                await self.behave(self, reader, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["ScriptedServer"]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield self
        server.close()


async def whole(_server: ScriptedServer, _reader: object, writer: asyncio.StreamWriter) -> None:
    writer.write(WHOLE)


async def ask(pool: Pool, server: ScriptedServer) -> HttpAnswer:
    return await pool.send(server.url, HEAD, b"{}")


@asynccontextmanager
async def both(
    behave: Behaviour, silent_s: float = WITHIN_S
) -> AsyncGenerator[tuple[Pool, ScriptedServer]]:
    async with Pool.running(silent_s) as pool, ScriptedServer(behave).running() as server:
        yield pool, server


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    """Status, type and body come through; the second request opens nothing."""
    async with both(whole) as (pool, server):
        for _ in range(3):
            answer = await ask(pool, server)
            assert (answer.status, answer.content_type) == (200, b"text/plain")
            assert await answer.read() == b"hello"
            answer.close()
    assert (server.connections, server.requests) == (1, 3)


async def test_a_connection_whose_answer_was_left_is_closed() -> None:
    """That ends the engine's work, and nobody reads the rest of another's answer."""

    async def endless(
        _server: ScriptedServer, _reader: object, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(b"3\r\nabc\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with both(endless) as (pool, server):
        answer = await ask(pool, server)
        assert await answer.next() != b""
        answer.close()
        await asyncio.wait_for(server.gone.wait(), WITHIN_S)
        await ask(pool, server)
    assert server.connections == 2


async def test_cancelling_the_wait_for_an_answer_closes_the_connection() -> None:
    """A client that leaves before the first byte ends the work too."""

    async def silent(
        _server: ScriptedServer, reader: asyncio.StreamReader, _writer: object
    ) -> None:
        await reader.readexactly(1)

    async with both(silent) as (pool, server):
        asking = asyncio.create_task(ask(pool, server))
        while not server.requests:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        await asyncio.wait_for(server.gone.wait(), WITHIN_S)


async def test_a_stale_connection_costs_one_more_try() -> None:
    """An engine that started anew has closed what we kept: the request goes out once more."""

    async def ends_on_the_second(
        server: ScriptedServer, _reader: object, writer: asyncio.StreamWriter
    ) -> None:
        if server.requests == 2:
            raise ConnectionResetError
        writer.write(WHOLE)

    async with both(ends_on_the_second) as (pool, server):
        for _ in range(2):
            assert await (await ask(pool, server)).read() == b"hello"
    assert (server.connections, server.requests) == (2, 3)


async def test_what_has_begun_to_answer_is_not_asked_twice() -> None:
    """After a single byte the engine may have done the work."""

    async def breaks_on_the_second(
        server: ScriptedServer, _reader: object, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(WHOLE if server.requests == 1 else b"HTTP/1.1 2")
        if server.requests == 2:
            await writer.drain()
            raise ConnectionResetError

    async with both(breaks_on_the_second) as (pool, server):
        await (await ask(pool, server)).read()
        with pytest.raises(EngineGone):
            await ask(pool, server)
    assert server.requests == 2


async def test_an_answer_that_breaks_gives_what_came_and_then_the_error() -> None:
    """Half an answer is never taken for a whole one."""

    async def breaks(
        _server: ScriptedServer, _reader: object, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(CHUNKED + b"3\r\nabc\r\n")
        await writer.drain()
        raise ConnectionResetError

    async with both(breaks) as (pool, server):
        answer = await ask(pool, server)
        assert await answer.next() == b"abc"
        with pytest.raises(EngineGone, match="connection broke"):
            await answer.next()
        with pytest.raises(EngineGone):
            await (await ask(pool, server)).read()


async def test_an_engine_that_falls_silent_is_given_up() -> None:
    """After `silent_s` seconds without a byte, in the middle of an answer too."""

    async def falls_silent(
        _server: ScriptedServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(CHUNKED + b"3\r\nabc\r\n")
        await writer.drain()
        await reader.readexactly(1)

    async with both(falls_silent) as (pool, server):
        answer = await ask(pool, server)
        assert await answer.next() == b"abc"
        pool.silent_s = 0.5
        with pytest.raises(EngineGone, match="said nothing"):
            await asyncio.wait_for(answer.next(), WITHIN_S)


async def test_an_engine_waits_for_a_reader_that_does_not_read() -> None:
    """Memory holds a bounded part of the answer; the reader gets all of it in the end."""
    size = 64
    piece = b"x" * 1024 * 1024
    sent = list[int]()

    async def much(_server: ScriptedServer, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        for _ in range(size):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            sent.append(len(piece))
        writer.write(b"0\r\n\r\n")

    async with both(much) as (pool, server):
        answer = await ask(pool, server)
        await asyncio.sleep(0.5)
        assert sum(sent) < size * len(piece) / 2
        assert len(await answer.read()) == size * len(piece)
        assert await (await ask(pool, server)).read() == piece * size
    assert server.connections == 1


async def test_an_answer_beyond_all_bounds_is_given_up() -> None:
    """Whole answers are held in memory: there is a most."""

    async def much(_server: ScriptedServer, _reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with both(much) as (pool, server):
        answer = await ask(pool, server)
        with pytest.raises(EngineGone, match="more than"):
            await answer.read(most=10_000)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        OK + b"x-long: " + b"y" * (MOST_HEAD + 1),
        OK + b"content-length: nonsense\r\n\r\n",
        *(WHOLE.replace(b"200", status) for status in (b"000", b"100", b"199", b"600", b"999")),
        WHOLE + WHOLE,
        WHOLE + b"H",
    ],
)
async def test_what_is_not_one_answer_ends_the_connection(nonsense: bytes) -> None:
    """It is never used again, and the next request gets a new one."""

    async def speaks_nonsense(
        _server: ScriptedServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(nonsense)
        await writer.drain()
        await reader.readexactly(1)

    async with both(speaks_nonsense) as (pool, server):
        if nonsense.startswith(WHOLE):
            assert await (await ask(pool, server)).read() == b"hello"
        else:
            with pytest.raises(NoHttpAnswer):
                await ask(pool, server)
        await asyncio.wait_for(server.gone.wait(), WITHIN_S)


async def test_an_answer_that_nobody_asked_for_is_nobody_s() -> None:
    """The engine speaks again before the next request leaves: that one goes elsewhere."""
    speakers = list[asyncio.StreamWriter]()

    async def kept(_server: ScriptedServer, _reader: object, writer: asyncio.StreamWriter) -> None:
        speakers.append(writer)
        writer.write(WHOLE)

    async with both(kept) as (pool, server):
        assert await (await ask(pool, server)).read() == b"hello"
        speakers[0].write(WHOLE.replace(b"hello", b"eve's"))  # it is in the kernel, unread
        assert await (await ask(pool, server)).read() == b"hello"
    assert server.connections == 2


async def test_nobody_there_is_said_so() -> None:
    """With the address."""
    async with Pool.running(WITHIN_S) as pool:
        with pytest.raises(EngineGone, match=r"no connection to http://127\.0\.0\.1:9"):
            await pool.send("http://127.0.0.1:9", HEAD, b"{}")
