"""Bodies over a real connection: as large as their route needs, and gone with who sent them."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import pytest
from starlette.types import ASGIApp, Message

from modelyard.serving.api.inference.endpoint import PATHS
from modelyard.serving.api.middleware.body_limit import most_bytes
from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.wire.openai.body import MAX_BODY_BYTES, SMALL_BODY_BYTES
from tests.serving.api.raw_asgi import http_scope
from tests.serving.api.test_tenant_matrix import routes
from tests.serving.installation import Installation, running
from tests.serving.transport.listening.server import Client, listening

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


@asynccontextmanager
async def gateway(installation: Installation) -> AsyncGenerator[int]:
    async with listening(installation.app(), Connections()) as port:
        while True:  # it listens once the application has started
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield port


async def opened(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


def head(path: str, key: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.fixture
def _uncollected() -> Generator[None]:
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


@pytest.mark.usefixtures("_uncollected")
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/login", "/nowhere"])
async def test_a_body_is_given_back_when_its_sender_leaves(path: str, lite: Installation) -> None:
    """Before a collection of garbage, which comes seldom: many of them would fill the memory."""
    async with gateway(lite) as port:
        for _ in range(2):
            await _leave_in_the_middle(port, path, lite.ada)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(8):
            await _leave_in_the_middle(port, path, lite.ada)
        async with asyncio.timeout(60):
            while tracemalloc.get_traced_memory()[0] - before > 4 * MIB:
                await asyncio.sleep(0.1)


async def _leave_in_the_middle(port: int, path: str, key: str) -> None:
    client = await opened(port)
    await client.write(head(path, key, 6 * MIB) + b"a" * (4 * MIB))
    await asyncio.sleep(0.1)
    client.leave()


@pytest.mark.parametrize("path", ["/api/v1/login", "/api/v1/admin/gpus/cpu-0/clear"])
async def test_a_route_takes_no_more_than_it_needs(path: str, lite: Installation) -> None:
    """It is refused before the body is read, and the refusal can be read."""
    async with gateway(lite) as port:
        client = await opened(port)
        await client.write(head(path, lite.admin, SMALL_BODY_BYTES + 1))
        assert (await client.answer()).status == 413
        client.leave()
        client = await opened(port)
        await client.write(head(path, lite.admin, 4 * MIB) + b"a" * (4 * MIB))
        assert (await client.answer()).status == 413
        client.leave()
        sent = b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"a" * 1024
        client = await opened(port)
        chunks = (b"\r\n400\r\n" + b"a" * 1024) * 32 + b"\r\n0\r\n\r\n"
        whole = head(path, lite.admin, 0).replace(b"Content-Length: 0\r\n\r\n", sent) + chunks
        await client.write(whole)
        assert (await client.answer()).status in {413, 404}  # which of them reads no body at all
        client.leave()


async def test_every_route_refuses_a_byte_more_than_it_needs(lite: Installation) -> None:
    """By what is announced, for each method and path there is, before anything of it is read."""
    app = lite.app()
    async with running(app) as asgi:
        for method, path in routes(lite):
            most = MAX_BODY_BYTES if path in PATHS else most_bytes(method, path)
            assert await status_of(asgi, method, path, most + 1, lite.admin) == 413, path


async def status_of(asgi: ASGIApp, method: str, path: str, length: int, key: str) -> int:
    """The answer to a request that announces a body, which nobody may ask for."""
    statuses = list[int]()

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    headers = {"authorization": f"Bearer {key}", "content-length": str(length)}
    await asgi(http_scope(method, path, headers), receive, send)
    return statuses[0]


async def test_a_login_fits(lite: Installation) -> None:
    """With the longest password, written as JSON writes the oddest letters."""
    body = json.dumps({"name": "ada", "password": "\U0001f600" * 256}).encode()
    async with gateway(lite) as port:
        client = await opened(port)
        await client.write(head("/api/v1/login", "", len(body)) + body)
        assert (await client.answer()).status == 401
        client.leave()
