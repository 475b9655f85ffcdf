"""Bare WebSocket listeners to a gateway's notices, as many as are wanted."""

import asyncio
from dataclasses import dataclass, field

import aiohttp

from modelyard.registry.notices.notice import Topic

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


class BenchListener(asyncio.Protocol):
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
    found = list[tuple[asyncio.Transport, BenchListener]]()
    audience.begin()
    for first in range(0, audience.count, AT_ONCE):
        for ticket in await tickets(url, key, topic, min(AT_ONCE, audience.count - first)):
            pair = await loop.create_connection(
                lambda: BenchListener(b'"kind":"connected"', audience), host, int(port)
            )
            pair[0].write(handshake(f"{host}:{port}", ticket))
            found.append(pair)
    await asyncio.wait_for(audience.everybody.wait(), 30)
    for _, listener in found:
        listener.marker = b'"kind":"bench"'
    return [transport for transport, _ in found]
