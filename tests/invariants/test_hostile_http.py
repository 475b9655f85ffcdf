"""Thousands of hostile inputs: each has its right answer, and nobody else notices them."""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.invariants.hostile_http import NEVER, HostileClient, HostileInput
from tests.serving.installation import open_installation
from tests.serving.processes import PATIENT, environment, gateway_process

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

CLIENTS = 4
STALL_S = 0.05
GROWTH = 20 << 20
PROBE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass(slots=True)
class Watched:
    """How long a small request takes meanwhile, as far as the gateway's own work is the reason.

    A busy machine keeps a process waiting as well: of a slow answer only as much counts as the
    gateway used of a processor until it came.
    """

    process: psutil.Process
    worst_s: float = 0.0
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not self.is_over.is_set():
            used = self._used_s()
            begun = time.monotonic()
            writer.write(PROBE)
            await reader.readuntil(b'"live"}')
            took = time.monotonic() - begun
            self.worst_s = max(self.worst_s, min(took, self._used_s() - used))
            await asyncio.sleep(0.01)
        writer.close()

    def _used_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


async def answered(port: int, given: HostileInput) -> int:
    """The status of the first answer; 0 where the connection ended without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(given.data)
        if given.may_be_part:
            writer.write_eof()
        async with asyncio.timeout(60):
            return int((await reader.readexactly(12))[9:12])
    except (ConnectionError, asyncio.IncompleteReadError):
        return 0
    finally:
        writer.transport.abort()


async def send_all(
    port: int, inputs: Iterator[HostileInput], wrong: Counter[tuple[str, int]]
) -> None:
    async def client() -> None:
        for given in inputs:
            status = await answered(port, given)
            if status in NEVER or status not in given.right:
                wrong[given.kind, status] += 1
                sys.stderr.write(f"{given.kind} {status} {given.data[:300]!r}\n")

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


@pytest.mark.timeout(1500)
async def test_hostile_inputs_are_answered_and_cost_nothing_that_lasts(
    sqlite_url: str, tmp_path: Path, full_length: int
) -> None:
    """No stall over 50 ms, no growth over 20 MB, the right status for each, no error of ours."""
    count = 500 * full_length
    with (
        open_installation(sqlite_url, tmp_path) as installation,
        gateway_process(environment(tmp_path, sqlite_url) | PATIENT, tmp_path) as gateway,
    ):
        port = urlsplit(gateway.url).port or 0
        client = HostileClient(random.Random(full_length), installation.ada)
        wrong = Counter[tuple[str, int]]()
        await send_all(port, (client.next() for _ in range(count // 4)), wrong)
        process = psutil.Process(gateway.process.pid)
        before = process.memory_info().rss
        watched = Watched(process)
        watching = asyncio.create_task(watched.run(port))
        await send_all(port, (client.next() for _ in range(count)), wrong)
        watched.is_over.set()
        await watching
        growth = process.memory_info().rss - before
        gateway.process.terminate()
        log = gateway.process.communicate(timeout=60)[1]
    sys.stderr.write(f"worst {watched.worst_s * 1000:.0f} ms, growth {growth >> 10} KiB\n")
    assert wrong == {}
    assert [line for line in log.splitlines() if '"level":"warning"' not in line] == []
    assert watched.worst_s <= STALL_S
    assert growth <= GROWTH
