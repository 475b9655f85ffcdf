"""Requests that are sent ahead of an answer: in order, bounded, and no cover for whoever leaves."""

import asyncio

import pytest

from tests.serving.transport.listening.server import ListeningServer, chunked, get, post, serving

pytestmark = pytest.mark.anyio


async def until_gone(served: ListeningServer, path: str = "/work") -> None:
    async with asyncio.timeout(60):
        while path not in served.echo.left:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("count", [1, 2, 50])
async def test_answers_come_in_order(count: int) -> None:
    """However they arrive, and with whatever bodies."""
    async with serving() as served:
        client = await served.open()
        for at in range(count):
            await client.write(
                post(f"/{at}", b"a" * at) if at % 3 else chunked(b"a", path=f"/{at}")
            )
        paths = [(await client.answer()).told["path"] for _ in range(count)]
        assert paths == [f"/{at}" for at in range(count)]


@pytest.mark.parametrize("behind", [0, 1, 2, 50])
@pytest.mark.parametrize("at_once", [True, False])
async def test_who_leaves_stops_the_work(behind: int, *, at_once: bool) -> None:
    """Also where it has asked for more in the meantime; nothing of that is begun."""
    async with serving() as served:
        client = await served.open()
        more = b"".join(post(f"/{at}", b"abc") for at in range(behind))
        await client.write(post("/work") + (more if at_once else b""))
        while not served.echo.asked:
            await asyncio.sleep(0.01)
        await client.write(b"" if at_once else more)
        await asyncio.sleep(0.05)
        client.leave()
        await until_gone(served)
        assert served.echo.asked == ["/work"]


@pytest.mark.parametrize("behind", [get("/next"), post("/next", b"a" * 1000), post("/next")[:-9]])
async def test_a_closed_connection_stops_the_work_too(behind: bytes) -> None:
    """An orderly end is one as well."""
    async with serving() as served:
        client = await served.open()
        await client.write(post("/work") + behind)
        client.writer.close()
        await until_gone(served)


@pytest.mark.parametrize(
    "behind", [b"a" * 500_000, post("/next", b"a" * 500_000), get("/next") * 20_000]
)
async def test_more_than_is_read_ahead_ends_the_connection(behind: bytes) -> None:
    """What is not read hides the end of the connection; so the work ends there."""
    async with serving() as served:
        client = await served.open()
        await client.write(post("/work"))
        while not served.echo.asked:
            await asyncio.sleep(0.01)
        await client.write(behind)
        await until_gone(served)


async def test_what_is_not_sound_is_refused_after_what_was_asked_before() -> None:
    """An answer on its way is not lost to what comes behind its request."""
    async with serving() as served:
        client = await served.open()
        await client.write(post("/work") + b"nonsense\r\n\r\n")
        await asyncio.sleep(0.05)
        served.echo.released.set()
        assert (await client.answer()).told["path"] == "/work"
        assert (await client.answer()).status == 400
        assert await client.ended() == b""


async def test_a_broken_body_is_refused_after_what_was_asked_before() -> None:
    """Its request is never begun."""
    async with serving() as served:
        client = await served.open()
        broken = chunked(b"abc", path="/next").replace(b"\r\n0\r\n", b"\r\nzz\r\n")
        await client.write(post("/work") + broken)
        await asyncio.sleep(0.05)
        served.echo.released.set()
        assert (await client.answer()).told["path"] == "/work"
        assert (await client.answer()).status == 400
        assert served.echo.asked == ["/work"]


async def test_what_comes_behind_the_last_request_is_not_answered() -> None:
    """It said that the connection ends."""
    async with serving() as served:
        client = await served.open()
        await client.write(post("/last", more=b"Connection: close\r\n") + post("/more"))
        assert (await client.answer()).told["path"] == "/last"
        assert await client.ended() == b""
        assert served.echo.asked == ["/last"]
