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
from pathlib import Path

from pydantic import SecretStr

from benchmarks.installation import running_installation
from benchmarks.notices.listeners import Audience, BenchListener, connected
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
                lambda: BenchListener(b'"kind":"bench"', audience), "127.0.0.1", port
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
