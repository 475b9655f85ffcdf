"""How soon a notice reaches a thousand WebSocket listeners, and what one that doesn't read costs.

`python -m benchmarks.notices [--listeners 1000] [--notices 40]`: a gateway as a process, listeners in
this one, and notices that are written into the database as any other process of Modelyard writes
them. A notice has arrived when the last listener has it. The floor is a plain loop that sends as many
bytes over as many sockets, to the same reader. Then some listeners stop reading, while the database
is given notices enough to fill whatever waits for them, and the others are measured again.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from benchmarks.installation import running_installation
from benchmarks.routing.report import quantile
from modelyard.registry.database import Database
from modelyard.registry.notices.notice import NoticeDraft, Topic
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.registry.settings import RegistrySettings

BAR_MS = 200.0
"""A notice reaches the last listener within so many milliseconds, of 19 out of 20 notices."""

HURT_BAR = 1.25
"""It may take so many times as long beside listeners that do not read."""

DEAF = 20
BODY = {"text": "x" * 200}
FILLER = {"text": "x" * 100_000}
AT_ONCE = 32


@dataclass(slots=True)
class Audience:
    """Counts who has got the notice that is under way."""

    count: int
    heard: int = 0
    everybody: asyncio.Event = field(default_factory=asyncio.Event)

    def hears(self) -> None:
        self.heard += 1
        if self.heard == self.count:
            self.everybody.set()

    def begin(self) -> None:
        self.heard = 0
        self.everybody.clear()


class Listener(asyncio.Protocol):
    """A bare WebSocket client: after the handshake each marker in what it reads is one notice."""

    def __init__(self, request: bytes, marker: bytes, audience: Audience) -> None:
        self.request = request
        self.marker = marker
        self.audience = audience
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(self.marker)):
            self.audience.hears()


async def tickets(url: str, key: str, count: int) -> list[str]:
    gate = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:

        async def one() -> str:
            async with gate, session.post("/api/v1/notices/tickets", json={}) as answer:
                answer.raise_for_status()
                return str((await answer.json())["ticket"])

        return await asyncio.gather(*(one() for _ in range(count)))


def handshake(host: str, ticket: str) -> bytes:
    return (
        f"GET /api/v1/notices?ticket={ticket} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


async def connected(url: str, key: str, count: int, audience: Audience) -> list[Listener]:
    """Listeners that have been greeted."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    found = list[Listener]()
    for first in range(0, count, AT_ONCE):
        part = min(AT_ONCE, count - first)
        audience.count = part
        audience.begin()
        for ticket in await tickets(url, key, part):
            listener = Listener(
                handshake(f"{host}:{port}", ticket), b'"kind":"connected"', audience
            )
            await loop.create_connection(lambda one=listener: one, host, int(port))
            found.append(listener)
        await asyncio.wait_for(audience.everybody.wait(), 30)
    for listener in found:
        listener.marker = b'"kind":"bench"'
    return found


async def measure(book: NoticeBook, audience: Audience, count: int) -> list[float]:
    """Milliseconds from before a notice is written until the last listener has it."""
    took = list[float]()
    for _ in range(count):
        audience.begin()
        began = time.perf_counter()
        await asyncio.to_thread(book.add, [NoticeDraft(Topic.DEVICES, "bench", BODY)])
        await asyncio.wait_for(audience.everybody.wait(), 30)
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)
    return took


@asynccontextmanager
async def plain_loop(audience: Audience) -> AsyncGenerator[list[asyncio.StreamWriter]]:
    """As many connections to this process's own server, which writes to one after the other."""
    writers = list[asyncio.StreamWriter]()

    async def joined(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async with await asyncio.start_server(joined, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        readers = [Listener(b"", b'"kind":"bench"', audience) for _ in range(audience.count)]
        for reader in readers:
            await loop.create_connection(lambda one=reader: one, "127.0.0.1", port)
        while len(writers) < audience.count:
            await asyncio.sleep(0.01)
        yield writers
        for writer in writers:
            writer.transport.abort()


async def floor(audience: Audience, count: int) -> list[float]:
    """Milliseconds that a plain loop of sends takes until the last reader has the bytes."""
    message = json.dumps({"id": 1, "topic": "devices", "kind": "bench", "data": BODY})
    sent = message.replace('"kind": "bench"', '"kind":"bench"').encode()
    took = list[float]()
    async with plain_loop(audience) as writers:
        for _ in range(count):
            audience.begin()
            began = time.perf_counter()
            for writer in writers:
                writer.write(sent)
            await asyncio.wait_for(audience.everybody.wait(), 30)
            took.append((time.perf_counter() - began) * 1000)
    return took


async def compare(url: str, key: str, book: NoticeBook, asked: argparse.Namespace) -> bool:
    audience = Audience(0)
    listeners = await connected(url, key, asked.listeners, audience)
    audience.count = len(listeners)
    await measure(book, audience, 3)
    alone = await measure(book, audience, asked.notices)
    deaf = await connected(url, key, DEAF, Audience(0))
    audience.count = len(listeners)
    for one in deaf:
        assert one.transport is not None
        one.transport.pause_reading()
    for _ in range(60):
        await asyncio.to_thread(book.add, [NoticeDraft(Topic.DEVICES, "filler", FILLER)])
        await asyncio.sleep(0.2)
    beside = await measure(book, audience, asked.notices)
    for one in (*listeners, *deaf):
        assert one.transport is not None
        one.transport.abort()
    least = await floor(audience, asked.notices)
    print(
        f"{asked.listeners} listeners{'':14}last has it after p50, p95 ms{'':4}ratio to the floor"
    )
    for name, took in (("plain loop", least), ("notices", alone), (f"beside {DEAF} deaf", beside)):
        p50, p95 = (quantile(took, share) for share in (0.5, 0.95))
        print(f"{name:>24}{p50:>16.1f}, {p95:.1f}{p50 / statistics.median(least):>24.2f}")
    hurt = statistics.median(beside) / statistics.median(alone)
    print(f"beside those that don't read it takes {hurt:.2f} times as long (bar {HURT_BAR})")
    return max(quantile(alone, 0.95), quantile(beside, 0.95)) <= BAR_MS and hurt <= HURT_BAR


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.notices", description=__doc__)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--notices", type=int, default=40, help="notices each time")
    asked = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ["MODELYARD_NOTICE_CONNECTIONS"] = "100000"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        installation = running_installation(stack, folder, {}, [])
        database = Database.connect(
            RegistrySettings(data_dir=folder, secret_key=SecretStr("x" * 40)).database
        )
        stack.callback(database.close)
        book = NoticeBook(database)
        return 0 if asyncio.run(compare(installation.url, installation.key, book, asked)) else 1


if __name__ == "__main__":
    sys.exit(main())
