"""A connection that has ended leaves nothing behind that only the collector of garbage finds."""

import asyncio
import gc
import weakref
from collections.abc import Generator
from typing import Any

import pytest

from tests.serving.transport.listening.server import chunked, get, post, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def _uncollected() -> Generator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


ENDS = {
    "an answer": post(body=b"a" * 1000),
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a body": post(body=b"a" * 300_000)[:-1],
    "work": post("/work"),
    "work and more behind it": post("/work") + post(body=b"a" * 10_000) * 2,
    "a refusal": b"nonsense\r\n\r\n",
    "an offer": post(body=b"a", more=b"Connection: upgrade\r\nUpgrade: x\r\n"),
    "chunks": chunked(b"a" * 1000),
    "nothing to be found": get("/unread"),
}


@pytest.mark.usefixtures("_uncollected")
@pytest.mark.parametrize("name", ENDS)
async def test_a_connection_is_given_back_when_it_ends(name: str) -> None:
    """A body of some megabytes would stay until a collection, and those are seldom."""
    async with serving() as served:
        client = await served.open()
        await client.write(ENDS[name])
        await asyncio.sleep(0.05)
        held: list[weakref.ref[Any]] = [
            weakref.ref(connection) for connection in served.connections
        ]
        assert len(held) == 1
        client.leave()
        async with asyncio.timeout(30):
            while held[0]() is not None:
                await asyncio.sleep(0.01)
