"""A client that does not read holds its engine back, and one that leaves sets it free."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.serving.installation import open_installation
from tests.serving.processes import PATIENT, environment, gateway_process

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

EVENT = b"data: " + b"x" * 65_000 + b"\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
MOST = 32 * 1024 * 1024
"""Bytes that sockets and buffers between engine and client may hold together."""


@dataclass(slots=True)
class Endless:
    """An engine that writes as fast as it is read, for ever."""

    sent: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(HEAD)
        try:
            while True:
                writer.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
                await writer.drain()
                self.sent += len(EVENT)
        except OSError:
            self.gone.set()
        finally:
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()


async def test_an_engine_waits_for_its_client(sqlite_url: str, tmp_path: Path) -> None:
    """What the client does not read is not read from the engine either, until it leaves."""
    engine = Endless()
    with ExitStack() as stack:
        installation = stack.enter_context(open_installation(sqlite_url, tmp_path))
        started = gateway_process(environment(tmp_path, sqlite_url) | PATIENT, tmp_path)
        gateway = await asyncio.to_thread(stack.enter_context, started)
        async with engine.running() as url:
            version = installation.filled.add("talker")
            installation.worker()
            installation.ready(version, url)
            writer = await _ask(gateway.url, installation.ada)
            held = await _standstill(engine)
            assert 0 < held < MOST
            writer.transport.abort()
            await asyncio.wait_for(engine.gone.wait(), 60)


async def _ask(url: str, key: str) -> asyncio.StreamWriter:
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port, limit=1024)
    body = json.dumps({"model": "talker", "prompt": "x", "stream": True})
    writer.write(
        f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    return writer


async def _standstill(engine: Endless) -> int:
    """How much the engine could write until it could write no more for half a second."""
    async with asyncio.timeout(120):
        while True:
            before = engine.sent
            await asyncio.sleep(0.5)
            if engine.sent == before > 0:
                return before
