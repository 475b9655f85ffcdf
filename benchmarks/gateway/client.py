"""The load: clients cheap enough that the gateway stays the thing that is measured.

`python -m benchmarks.gateway.client` reads one line of JSON (`GatewayLoad`) and prints one
(`Found`). A client keeps its connection and asks again as soon as it has its answer (`seconds`
long), or asks once (`once`), all at the same time or spread over `ramp_s`.
"""

import asyncio
import re
import socket
import sys
import time
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.gateway.process_tree import ProcessUsage

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_WRITTEN = re.compile(rb"t=(\d{8,});")
_END = b"0\r\n\r\n"
WARM_UP_S = 1.0


class GatewayLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where, `clients` at a time, for `seconds` or `once`; `pid` is measured."""

    url: str
    pid: int
    clients: int
    seconds: float
    model: str = "mock"
    key: str = ""
    stream: bool = False
    once: bool = False
    ramp_s: float = 0.0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What came back; times in ms, percentiles 50 and 99 of the requests that succeeded."""

    requests: int
    failed: int
    per_second: float
    cpu_us: float
    rss_mib: float
    p50: float
    p99: float
    chunks: int = 0
    cpu_us_chunk: float = 0.0
    first_p99: float = 0.0
    gap_p99: float = 0.0


class LoadClients:
    """All clients of one load and what they have seen since `measuring`."""

    def __init__(self, load: GatewayLoad) -> None:
        self.load = load
        self.request = _request(load)
        self.measuring = load.once
        self.stopped = False
        self.waiting = load.clients
        self.finished = asyncio.Event()
        self.failed = self.chunks = 0
        self.took: list[int] = []
        self.first: list[int] = []
        self.gaps: list[int] = []

    def done(self, *, ok: bool, began: int) -> bool:
        """One request has ended; whether its client asks again."""
        if self.measuring:
            if ok:
                self.took.append(time.monotonic_ns() - began)
            else:
                self.failed += 1
        if self.load.once:
            self.leave()
        return not self.load.once and not self.stopped

    def leave(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            self.finished.set()


class LoadClient(asyncio.Protocol):
    """One connection: asks, reads the whole answer, asks again."""

    def __init__(self, clients: LoadClients) -> None:
        self.clients = clients
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = cast("asyncio.Transport", transport)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None and not self.clients.stopped:
            self.transport = None
            self.clients.done(ok=False, began=self.began)

    def data_received(self, data: bytes) -> None:
        if self.head is None:
            self.rest += data
            end = self.rest.find(b"\r\n\r\n")
            if end < 0:
                return
            self.head, data, self.rest = self.rest[: end + 2], self.rest[end + 4 :], b""
            length = _LENGTH.search(self.head)
            self.left = int(length.group(1)) if length else -1
        if self.left >= 0:
            self.left -= len(data)
            if self.left <= 0:
                self._end()
            return
        self._events(data)
        if data.endswith(_END):
            self._end()

    def _ask(self) -> None:
        self.head: bytes | None = None
        self.rest = b""
        self.left = -1
        self.last = 0
        self.began = time.monotonic_ns()
        assert self.transport is not None  # noqa: S101 - it is connected
        self.transport.write(self.clients.request)

    def _events(self, data: bytes) -> None:
        """Count the chunks that are complete; one that is cut waits for its other half."""
        self.rest += data
        cut = self.rest.rfind(b"\n\n") + 2
        found = len(_WRITTEN.findall(self.rest, 0, cut)) if cut > 1 else 0
        if cut > 1:
            self.rest = self.rest[cut:]
        if not found or not self.clients.measuring:
            return
        now = time.monotonic_ns()
        self.clients.chunks += found
        if self.last:
            self.clients.gaps += [now - self.last] + [0] * (found - 1)
        else:
            self.clients.first.append(now - self.began)
        self.last = now

    def _end(self) -> None:
        assert self.head is not None  # noqa: S101 - an answer has a head
        if self.clients.done(ok=self.head[9:10] == b"2", began=self.began):
            self._ask()
        elif self.transport is not None:
            transport, self.transport = self.transport, None
            transport.close()


async def run(load: GatewayLoad) -> Found:
    clients = LoadClients(load)
    used = ProcessUsage.of(load.pid)
    begun = time.monotonic()
    for number in range(load.clients):
        asyncio.get_running_loop().call_later(load.ramp_s * number / load.clients, _enter, clients)
    if load.once:
        try:
            async with asyncio.timeout(load.seconds):
                await clients.finished.wait()
        except TimeoutError:
            clients.failed += clients.waiting
    else:
        await asyncio.sleep(WARM_UP_S)
        used = ProcessUsage.of(load.pid)
        begun = time.monotonic()
        clients.measuring = True
        await asyncio.sleep(load.seconds)
    clients.stopped = True
    clients.measuring = False
    return _found(clients, used, ProcessUsage.of(load.pid), time.monotonic() - begun)


def _enter(clients: LoadClients) -> None:
    async def connect() -> None:
        at = urlsplit(clients.load.url)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: LoadClient(clients), at.hostname or "", at.port or 80
            )
        except OSError:
            clients.failed += 1
            clients.leave()

    _connecting.add(task := asyncio.ensure_future(connect()))
    task.add_done_callback(_connecting.discard)


_connecting: set[asyncio.Future[None]] = set()


def _found(
    clients: LoadClients, before: ProcessUsage, after: ProcessUsage, seconds: float
) -> Found:
    cpu_us = (after.cpu_s - before.cpu_s) * 1e6
    return Found(
        requests=len(clients.took),
        failed=clients.failed,
        per_second=len(clients.took) / seconds,
        cpu_us=cpu_us / max(len(clients.took), 1),
        rss_mib=after.rss_mib,
        p50=percentile(clients.took, 0.5),
        p99=percentile(clients.took, 0.99),
        chunks=clients.chunks,
        cpu_us_chunk=cpu_us / max(clients.chunks, 1),
        first_p99=percentile(clients.first, 0.99),
        gap_p99=percentile(clients.gaps, 0.99),
    )


def percentile(nanoseconds: list[int], share: float) -> float:
    """In milliseconds; 0 where there is none."""
    ordered = sorted(nanoseconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6 if ordered else 0.0


def _request(load: GatewayLoad) -> bytes:
    at = urlsplit(load.url)
    body = msgspec.json.encode(
        {
            "model": load.model,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": "word " * 60},
            ],
            "max_tokens": 64,
            "temperature": 0.2,
            **({"stream": True} if load.stream else {}),
        }
    )
    head = (
        f"POST {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: */*\r\nUser-Agent: benchmark\r\nAuthorization: Bearer {load.key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    found = uvloop.run(run(msgspec.json.decode(sys.stdin.readline(), type=GatewayLoad)))
    print(msgspec.json.encode(found).decode())
