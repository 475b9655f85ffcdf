"""Whether a peer takes what waits for it is seen by what the kernel still has of it."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from modelyard.serving.transport.stalled import Stalled, unsent

pytestmark = pytest.mark.anyio
MEGABYTES = bytes(16 * 1024 * 1024)


@dataclass(eq=False)
class Side(asyncio.Protocol):
    """The writing end of a connection, and the socket at the other."""

    made: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.made.set()

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.get_running_loop().call_soon(self.lost.set)  # the socket is closed after this


@asynccontextmanager
async def connected() -> AsyncGenerator[tuple[Side, socket.socket]]:
    """The client's kernel keeps little for it, so that each kilobyte that it takes is seen."""
    loop = asyncio.get_running_loop()
    side = Side()
    server = await loop.create_server(lambda: side, "127.0.0.1", 0)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        await side.made.wait()
        yield side, client
        side.transport.abort()
    server.close()


async def once_steady(side: Side) -> int:
    """Wait until the kernel takes no more; what waits then."""
    before = -1
    while before != (before := unsent(side.transport)):
        await asyncio.sleep(0.3)
    return before


async def test_who_takes_nothing_is_stalled_for_as_long() -> None:
    """By the clock that is given; from the first look at which something waits."""
    stalled = Stalled[Side]()
    async with connected() as (side, _):
        assert stalled.look([side], 0.0) == {}
        side.transport.write(MEGABYTES)
        await once_steady(side)
        assert stalled.look([side], 10.0) == {side: 0.0}
        assert stalled.look([side], 25.0) == {side: 15.0}


async def test_a_little_that_is_taken_counts() -> None:
    """Though the transport has as much as before: the kernel has no room for more of it yet."""
    stalled = Stalled[Side]()
    async with connected() as (side, client):
        side.transport.write(MEGABYTES)
        waits = await once_steady(side)
        here = side.transport.get_write_buffer_size()
        stalled.look([side], 0.0)
        taken = 0
        while unsent(side.transport) == waits:
            taken += len(await asyncio.get_running_loop().sock_recv(client, 512))
            await asyncio.sleep(0.01)
        assert taken < 64 * 1024
        assert side.transport.get_write_buffer_size() == here
        assert stalled.look([side], 1000.0) == {side: 0.0}


async def test_who_is_gone_is_not_remembered() -> None:
    """It begins anew, and of a closed socket the kernel has nothing to tell."""
    stalled = Stalled[Side]()
    async with connected() as (side, _):
        side.transport.write(MEGABYTES)
        await once_steady(side)
        assert stalled.look([side], 0.0)
        assert stalled.look([], 1.0) == {}
        assert stalled.look([side], 2.0) == {side: 0.0}
    await side.lost.wait()
    assert unsent(side.transport) == 0
