"""An answer's head leaves with the first of its body."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serving.cli.joining import JoiningProtocol

pytestmark = pytest.mark.anyio
START = {"type": "http.response.start", "status": 200, "headers": []}


class Wire(asyncio.Transport):
    """What is written, call by call, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.writes.append(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def streaming(*parts: bytes) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


async def breaking(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send(START)
    raise OSError


async def told(app: ASGIApp, request: bytes, by: type[HttpToolsProtocol] = JoiningProtocol) -> Wire:
    """One request through the protocol, to its end."""
    config = Config(app, http=by, lifespan="off", log_level="critical")
    config.load()
    state, wire = ServerState(), Wire()
    protocol = by(config, state, {})
    protocol.connection_made(wire)
    protocol.data_received(request)
    await asyncio.gather(*state.tasks)
    return wire


POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def test_the_head_leaves_with_the_first_part_and_the_rest_as_it_comes() -> None:
    """The bytes are uvicorn's own, in one write less."""
    usual = await told(streaming(b"one", b"two"), POST, HttpToolsProtocol)
    joined = await told(streaming(b"one", b"two"), POST)
    assert joined.writes == [b"".join(usual.writes[:2]), *usual.writes[2:]]


async def test_what_breaks_before_its_body_closes_the_connection() -> None:
    """The head that was held back is not lost."""
    wire = await told(breaking, POST)
    assert wire.closed
    assert len(wire.writes) == 1


@pytest.mark.parametrize(
    "request_", [GET, POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")]
)
async def test_nothing_else_is_held_back(request_: bytes) -> None:
    """Where a body may not follow, or something is written before the head."""
    usual = await told(streaming(b"one"), request_, HttpToolsProtocol)
    assert (await told(streaming(b"one"), request_)).writes == usual.writes
