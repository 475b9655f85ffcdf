"""How soon a notice reaches a thousand WebSocket listeners, and what one that doesn't read costs.

`python -m benchmarks.notices [--listeners 1000] [--notices 40]`: a gateway as a process, listeners
in this one, and notices that are written into the database as any other process of Modelyard writes
them. A notice has arrived when the last listener has it. The floor is a plain loop that sends as
many bytes over as many sockets, to the same reader. Then twenty more listeners come that read
nothing, of a topic with so much to say that all that may wait for them is full, and the others are
measured again.
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
FILLERS = 50
"""Times eight notices for those that do not read: 40 MB for each of them."""

SETTLES_S = 2.0
"""Seconds for the gateway to read those, and to give up on who does not."""

PING = b"\x89\x04"
"""How uvicorn's pings begin: text has no such bytes."""

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
    """A bare WebSocket client: each marker in what it reads is one notice; it answers pings."""

    def __init__(self, marker: bytes, audience: Audience) -> None:
        self.marker = marker
        self.audience = audience
        self.rest = b""
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        read = self.rest + data
        for _ in range(read.count(self.marker)):
            self.audience.hears()
        self.rest = b"" if self.marker in data else read[-len(self.marker) + 1 :]
        at = data.find(PING)
        if at >= 0 and isinstance(self.transport, asyncio.Transport):
            self.transport.write(b"\x8a\x84\x00\x00\x00\x00" + data[at + 2 : at + 6])


async def tickets(url: str, key: str, topic: Topic, count: int) -> list[str]:
    gate = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:

        async def one() -> str:
            async with (
                gate,
                session.post("/api/v1/notices/tickets", json={"topics": [topic]}) as answer,
            ):
                answer.raise_for_status()
                return str((await answer.json())["ticket"])

        return await asyncio.gather(*(one() for _ in range(count)))


def handshake(host: str, ticket: str) -> bytes:
    return (
        f"GET /api/v1/notices?ticket={ticket} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


async def connected(
    url: str, key: str, topic: Topic, audience: Audience
) -> list[asyncio.Transport]:
    """Listeners to a topic, as many as the audience, once all have been greeted."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    found = list[tuple[asyncio.Transport, Listener]]()
    audience.begin()
    for first in range(0, audience.count, AT_ONCE):
        for ticket in await tickets(url, key, topic, min(AT_ONCE, audience.count - first)):
            pair = await loop.create_connection(
                lambda: Listener(b'"kind":"connected"', audience), host, int(port)
            )
            pair[0].write(handshake(f"{host}:{port}", ticket))
            found.append(pair)
    await asyncio.wait_for(audience.everybody.wait(), 30)
    for _, listener in found:
        listener.marker = b'"kind":"bench"'
    return [transport for transport, _ in found]


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
    complete = asyncio.Event()

    async def joined(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if len(writers) == audience.count:
            complete.set()

    async with await asyncio.start_server(joined, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        for _ in range(audience.count):
            await loop.create_connection(
                lambda: Listener(b'"kind":"bench"', audience), "127.0.0.1", port
            )
        await complete.wait()
        yield writers
        for writer in writers:
            writer.transport.abort()


async def floor(audience: Audience, count: int) -> list[float]:
    """Milliseconds that a plain loop of sends takes until the last reader has the bytes."""
    message = {"id": 1, "topic": "devices", "kind": "bench", "time": "x" * 27, "data": BODY}
    sent = json.dumps(message, separators=(",", ":")).encode()
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
    audience = Audience(asked.listeners)
    listeners = await connected(url, key, Topic.DEVICES, audience)
    await measure(book, audience, 3)
    alone = await measure(book, audience, asked.notices)
    deaf = await connected(url, key, Topic.ALERTS, Audience(DEAF))
    for one in deaf:
        one.pause_reading()
    for _ in range(FILLERS):
        await asyncio.to_thread(book.add, [NoticeDraft(Topic.ALERTS, "filler", FILLER)] * 8)
    await asyncio.sleep(SETTLES_S)
    beside = await measure(book, audience, asked.notices)
    for one in (*listeners, *deaf):
        one.abort()
    least = await floor(audience, asked.notices)
    print(f"{asked.listeners} listeners{'':14}last has it after p50, p95 ms{'':4}to the floor")
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
