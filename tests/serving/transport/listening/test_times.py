"""How long a client may take for its part, and that it may take as long as it likes for none."""

import asyncio

import pytest

from tests.serving.transport.listening.server import QUICK, chunked, get, post, replace, serving

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def test_a_head_without_an_end_is_answered_and_closed() -> None:
    """408, and nothing is left of it."""
    async with serving(QUICK) as served:
        client = await served.open()
        await client.write(HEAD)
        answer = await client.answer()
        assert (answer.status, await client.ended()) == (408, b"")
        client.leave()
        while served.connections.count:
            await asyncio.sleep(0.01)


async def test_dripping_does_not_make_the_time_longer() -> None:
    """A byte now and then is no head."""
    async with serving(QUICK) as served:
        client = await served.open()
        await client.write(HEAD)
        asking = asyncio.ensure_future(client.answer())
        while not asking.done():
            await client.write(b"a")
            await asyncio.sleep(0.05)
        assert asking.result().status == 408


async def test_the_second_head_has_its_own_time() -> None:
    """Also on a connection that was idle before; then it is cut off like the first."""
    async with serving(replace(QUICK, idle_s=600)) as served:
        client = await served.open()
        await client.write(get("/a"))
        assert (await client.answer()).status == 200
        await client.write(HEAD)
        assert (await client.answer()).status == 408


@pytest.mark.parametrize("before", [b"", get("/a"), get("/a") + b"\r\n\r\n"])
async def test_an_idle_connection_is_closed_without_a_word(before: bytes) -> None:
    """Whether it ever asked or not; empty lines are nothing asked."""
    async with serving(QUICK) as served:
        client = await served.open()
        await client.write(before)
        if before:
            assert (await client.answer()).status == 200
        assert await client.ended() == b""


async def test_who_asks_in_time_is_never_closed() -> None:
    """Over and over, for longer than any of the times."""
    async with serving(replace(QUICK, idle_s=5, head_s=5)) as served:
        client = await served.open()
        for _ in range(20):
            await client.write(get("/a"))
            assert (await client.answer()).status == 200
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "begun", [post(body=b"a" * 100)[:-1], chunked(b"abc")[:-5], chunked(b"abc")[:-9]]
)
async def test_a_body_without_an_end_is_answered_and_closed(begun: bytes) -> None:
    """408, and the application learns that nobody is there."""
    async with serving(QUICK) as served:
        client = await served.open()
        await client.write(begun)
        answer = await client.answer()
        assert (answer.status, await client.ended()) == (408, b"")
        assert served.echo.left == ["/"]


async def test_a_body_that_drips_is_cut_off() -> None:
    """Each byte in time does not make the whole in time."""
    async with serving(replace(QUICK, body_s=0.5, body_rate=1000)) as served:
        client = await served.open()
        await client.write(post(body=b"a" * 10_000)[:-9_000])
        asking = asyncio.ensure_future(client.answer())
        while not asking.done():
            await client.write(b"a")
            await asyncio.sleep(0.05)
        assert asking.result().status == 408


async def test_a_large_body_at_a_fair_pace_is_taken() -> None:
    """For longer than a silence may be."""
    async with serving(replace(QUICK, body_s=1, body_rate=10_000)) as served:
        client = await served.open()
        await client.write(post(body=b"a" * 60_000)[:-60_000])
        for _ in range(30):
            await client.write(b"a" * 2000)
            await asyncio.sleep(0.05)
        assert (await client.answer()).told["size"] == 60_000


async def test_a_body_that_nobody_reads_has_the_same_time() -> None:
    """The refusal is read; the connection does not stay for the rest."""
    async with serving(QUICK) as served:
        client = await served.open()
        await client.write(post("/unread", body=b"a" * 100)[:-1])
        assert (await client.answer()).status == 401
        assert await client.ended() == b""


async def test_a_long_answer_has_no_time() -> None:
    """What is worked on is not ended, however long it takes, and neither is what waits behind."""
    async with serving(QUICK) as served:
        client = await served.open()
        await client.write(post("/work") + post("/next", body=b"abc")[:-1])
        await asyncio.sleep(1.5)
        served.echo.released.set()
        assert (await client.answer()).told["path"] == "/work"
        await client.write(b"c")
        assert (await client.answer()).told["path"] == "/next"


async def test_who_is_asked_for_a_body_only_now_is_not_late() -> None:
    """Until `100 Continue` it is the application that is waited for."""
    bounds = replace(QUICK, body_s=0.3)
    async with serving(bounds) as served:
        client = await served.open()
        asked = post("/next", body=b"abc", more=b"Expect: 100-continue\r\n")[:-3]
        await client.write(post("/work") + asked)
        await asyncio.sleep(1.0)
        served.echo.released.set()
        assert (await client.answer()).told["path"] == "/work"
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await client.write(b"abc")
        assert (await client.answer()).told["size"] == 3
