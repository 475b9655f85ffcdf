"""An answer's head leaves with the first of its body."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.protocol import GatewayProtocol

pytestmark = pytest.mark.anyio
Kind = Callable[..., HttpToolsProtocol]
START = {"type": "http.response.start", "status": 200, "headers": []}


class RecordedTransport(asyncio.Transport):
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


def joining(*given: Any) -> GatewayProtocol:
    return GatewayProtocol(*given, connections=Connections())


def connected(app: ASGIApp, by: Kind) -> tuple[HttpToolsProtocol, RecordedTransport]:
    config = Config(app, lifespan="off", log_level="critical")
    config.load()
    protocol = by(config, ServerState(), {})
    wire = RecordedTransport()
    protocol.connection_made(wire)
    return protocol, wire


async def told(app: ASGIApp, request: bytes, by: Kind = joining) -> RecordedTransport:
    """One request through the protocol, to its end."""
    protocol, wire = connected(app, by)
    protocol.data_received(request)
    await asyncio.gather(*protocol.tasks)
    await asyncio.sleep(0)  # what was written in the last turn leaves
    return wire


POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def test_the_head_leaves_with_the_first_part_and_the_rest_as_it_comes() -> None:
    """The bytes are uvicorn's own, in one write less."""
    usual = await told(streaming(b"one", b"two"), POST, HttpToolsProtocol)
    joined = await told(streaming(b"one", b"two"), POST)
    assert joined.writes == [b"".join(usual.writes[:2]), *usual.writes[2:]]


async def test_what_breaks_before_its_body_is_told_so() -> None:
    """The head that was held back makes no promise."""
    wire = await told(breaking, POST)
    assert wire.closed
    assert wire.writes[0].startswith(b"HTTP/1.1 500 ")


async def test_where_a_body_may_not_follow_nothing_is_held_back() -> None:
    """An answer to GET is uvicorn's own."""
    usual = await told(streaming(b"one"), GET, HttpToolsProtocol)
    assert (await told(streaming(b"one"), GET)).writes == usual.writes


@pytest.mark.parametrize("more", [b"Connection: close\r\n", b"Expect: 100-continue\r\n"])
async def test_how_the_connection_goes_on_is_uvicorns_own(more: bytes) -> None:
    """The same bytes in all, and closed where the client asked for it."""
    request = POST.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n")
    usual = await told(streaming(b"one"), request, HttpToolsProtocol)
    joined = await told(streaming(b"one"), request)
    assert b"".join(joined.writes) == b"".join(usual.writes)
    assert joined.closed == usual.closed


@pytest.mark.parametrize("value", [b"one\r\nmore: two", b"one\ntwo", b"one\rtwo", b"one\0"])
async def test_a_header_with_a_line_break_is_never_sent(value: bytes) -> None:
    """Nobody can put a second answer into the first."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"name", value)]})
        await send({"type": "http.response.body", "body": b"body"})

    wire = await told(app, POST)
    assert b"two" not in wire.writes[0]
    assert wire.writes[0].startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_has_no_body_announces_none(status: int) -> None:
    """Not even an empty one in chunks; the bytes are uvicorn's."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body"})

    usual = await told(app, POST, HttpToolsProtocol)
    joined = await told(app, POST)
    assert b"".join(joined.writes) == b"".join(usual.writes)


async def test_an_answer_of_known_length_is_not_cut_into_chunks() -> None:
    """Head and body leave together, in uvicorn's bytes."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"body"})

    usual = await told(app, POST, HttpToolsProtocol)
    joined = await told(app, POST)
    assert joined.writes == [b"".join(usual.writes)]


async def test_a_complete_answer_leaves_before_the_server_ends() -> None:
    """Though it is written at the end of the turn in which the server begins to end."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"body"})
        protocol.shutdown()

    protocol, wire = connected(app, joining)
    protocol.data_received(POST)
    while not wire.closed:
        await asyncio.sleep(0)
    assert wire.writes[0].endswith(b"body")


async def test_what_a_client_asks_after_its_last_request_is_not_answered() -> None:
    """It said that the connection ends."""
    asked: list[str] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await streaming(b"one")(scope, _receive, send)

    last = b"POST /last HTTP/1.0\r\nHost: here\r\nContent-Length: 0\r\n\r\n"
    wire = await told(app, last + last.replace(b"last", b"more"))
    assert (asked, wire.closed) == (["/last"], True)
