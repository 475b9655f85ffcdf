"""A gateway on a port of its own, in this process, and listeners to its notices."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from modelyard.registry.notices.notice import NoticeDraft, Topic
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.serving.api.notices.socket import PATH
from modelyard.serving.api.services import Services, end_streams
from modelyard.serving.transport.announcing import GatewayServer
from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.serve import bounded
from modelyard.serving.transport.protocol import GatewayProtocol
from modelyard.serving.transport.unread import Unread
from tests.serving.installation import STARTS_WITHIN_S, Installation

SEND_BUFFER = 64 * 1024
"""Bytes that the kernel keeps for a listener which does not read; by itself it takes megabytes."""

SOON_S = 60.0
"""However slow the machine is, what happens at all happens within this."""


class SignalFreeGateway(GatewayServer):
    """A gateway that leaves signals to whoever runs the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass(frozen=True, slots=True)
class ListeningGateway:
    """A running gateway with its insides."""

    installation: Installation
    address: str
    services: Services
    server: GatewayServer
    connections: Connections

    @property
    def book(self) -> NoticeBook:
        return NoticeBook(self.installation.database)

    async def say(self, count: int = 1, topic: Topic = Topic.DEVICES, **more: Any) -> None:
        """Publish notices as another process would."""
        drafts = [NoticeDraft(topic, "test", {"n": n}, **more) for n in range(count)]
        await asyncio.to_thread(self.book.add, drafts)

    async def http(self, method: str, path: str, key: str = "", **more: Any) -> httpx2.Response:
        headers = more.pop("headers", {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        async with httpx2.AsyncClient(timeout=SOON_S, trust_env=False) as client:
            url = f"http://{self.address}{path}"
            return await client.request(method, url, headers=headers, **more)

    async def ticket(self, key: str, *topics: str) -> str:
        answer = await self.http("POST", "/api/v1/notices/tickets", key, json={"topics": [*topics]})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"])

    async def query(self, key: str, **more: object) -> str:
        """The query of an address with a fresh ticket."""
        given = {"ticket": await self.ticket(key)} | more
        return "?" + "&".join(f"{name}={value}" for name, value in given.items())

    def connect(self, query: str, **more: Any) -> connect:
        url = f"ws://{self.address}{PATH}{query}"
        return connect(url, proxy=None, open_timeout=SOON_S, **more)

    @contextlib.asynccontextmanager
    async def listener(self, key: str, **more: object) -> AsyncGenerator[ClientConnection]:
        async with self.connect(await self.query(key, **more)) as line:
            yield line


async def heard(line: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(SOON_S):
        return dict(json.loads(await line.recv()))


def opened(gateway: ListeningGateway, query: str) -> socket.socket:
    """A bare WebSocket whose client reads nothing after the first byte of the answer; blocks."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SEND_BUFFER)
    line.settimeout(SOON_S)
    host, port = gateway.address.split(":")
    line.connect((host, int(port)))
    line.sendall(
        f"GET {PATH}{query} HTTP/1.1\r\nHost: {gateway.address}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert line.recv(1) == b"H"
    return line


def all_until(line: socket.socket, end: bytes) -> bytes:
    """What comes until it ends so, or the gateway closes; blocks."""
    got = bytearray()
    while not got.endswith(end) and (part := line.recv(65_536)):
        got += part
    return bytes(got)


@contextlib.asynccontextmanager
async def listening(
    installation: Installation, **settings: object
) -> AsyncGenerator[ListeningGateway]:
    app = installation.app(**settings)
    connections = Connections()
    unread = Unread()
    kind = partial(GatewayProtocol, unread=unread, sockets=frozenset({PATH.encode()}))
    config = bounded(app, connections, kind, timeout_graceful_shutdown=8)
    started = asyncio.get_running_loop().create_future()
    server = SignalFreeGateway(config, started.set_result, unread, partial(end_streams, app.state))
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        serving = asyncio.create_task(server.serve(sockets=[door]))
        url: str = await asyncio.wait_for(started, STARTS_WITHIN_S)
        address = url.removeprefix("http://")
        yield ListeningGateway(installation, address, app.state.services, server, connections)
        server.should_exit = True
        await serving
