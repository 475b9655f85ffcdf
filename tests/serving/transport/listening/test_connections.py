"""There is room for whoever asks something: those who only wait make it, the greedy ones first."""

import asyncio

import pytest

from tests.serving.transport.listening.server import Client, ListeningServer, get, post, serving

pytestmark = pytest.mark.anyio

HALF = b"POST / HTTP/1.1\r\nHost: x\r\n"


def is_over(client: Client) -> bool:
    return client.reader.exception() is not None or client.reader.at_eof()


async def half_heads(
    served: ListeningServer, count: int, address: str = "127.0.0.1"
) -> list[Client]:
    clients = [await served.open(address) for _ in range(count)]
    for client in clients:
        await client.write(HALF)
    return clients


async def at_work(served: ListeningServer, count: int, address: str = "127.0.0.1") -> list[Client]:
    clients = [await served.open(address) for _ in range(count)]
    before = len(served.echo.asked)
    for client in clients:
        await client.write(post("/work"))
    async with asyncio.timeout(60):
        while len(served.echo.asked) < before + count:
            await asyncio.sleep(0.01)
    return clients


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
async def test_half_heads_keep_nobody_out(address: str) -> None:
    """From whatever address: who asks is answered, and a connection that it keeps stays its own."""
    async with serving(most=32) as served:
        client = await served.open(address)
        crowd = list[Client]()
        for _ in range(10):
            crowd += await half_heads(served, 16)
            assert (await served.said(get("/"))).status == 200
            await client.write(get("/"))
            if address != "127.0.0.1":  # one that has few connections does not lose one
                assert (await client.answer()).status == 200
            assert served.connections.count <= 32
        client.leave()


@pytest.mark.parametrize("kind", [b"", HALF, get("/"), post(body=b"abc")[:-1]])
async def test_whatever_waits_makes_room(kind: bytes) -> None:
    """Silence, half a head, an idle connection, half a body."""
    async with serving(most=16) as served:
        crowd = [await served.open() for _ in range(64)]
        for client in crowd:
            await client.write(kind)
        assert (await served.said(get("/"))).status == 200


async def test_what_is_worked_on_is_never_ended_for_room() -> None:
    """Where all have work the next one is told so at once."""
    async with serving(most=16) as served:
        working = await at_work(served, 16)
        answer = await served.said(get("/"))
        assert (answer.status, answer.closes) == (503, True)
        served.echo.released.set()
        assert {(await client.answer()).status for client in working} == {200}
        assert (await served.said(get("/"))).status == 200


async def test_the_oldest_of_the_address_with_most_go_first() -> None:
    """The few of another address stay."""
    async with serving(most=32) as served:
        few = await half_heads(served, 4, "127.0.0.2")
        many = await half_heads(served, 28)
        await half_heads(served, 8)
        async with asyncio.timeout(60):
            while sum(is_over(client) for client in many) < 8:
                await asyncio.sleep(0.01)
        assert [is_over(client) for client in many] == [True] * 8 + [False] * 20
        assert not any(is_over(client) for client in few)


async def test_an_address_may_hold_so_many_that_only_wait() -> None:
    """Those at work are not counted; an address that stands for many has no bound."""
    async with serving(waiting_each=64) as served:
        working = await at_work(served, 100)
        await half_heads(served, 300)
        await half_heads(served, 20, "127.0.0.2")
        assert served.connections.count <= 100 + 64 + 64 + 20
        served.echo.released.set()
        assert {(await client.answer()).status for client in working} == {200}
    async with serving(waiting_each=64, is_proxy=lambda address: address == "127.0.0.1") as served:
        await half_heads(served, 300)
        assert served.connections.count == 300


async def test_every_connection_that_ends_is_forgotten() -> None:
    """However it ended."""
    async with serving(most=64) as served:
        clients = [*await half_heads(served, 10), *await at_work(served, 10)]
        for client in clients[::2]:
            client.writer.close()
        for client in clients[1::2]:
            client.leave()
        async with asyncio.timeout(60):
            while served.connections.count:
                await asyncio.sleep(0.01)
