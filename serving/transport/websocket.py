"""A WebSocket connection of the gateway, taken over from the HTTP connection that it began as."""

import asyncio
from asyncio.transports import BaseTransport
from collections.abc import Sequence
from typing import Any

from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.heads import Pair

HEAD_BYTES = 8000
"""The largest head that the handshake's parser takes whole."""


class GatewayWebSocket(WebSocketsSansIOProtocol):
    """Counts among the server's connections, and is cut off where its client stops reading.

    `modelyard.serving.transport.unread` looks at it as at any other client's connection; that a
    client is there at all, uvicorn's pings find out.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.all = connections
        self.address = ""
        self.since = self.loop.time()

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is at work: once accepted it is the server that has to say something."""
        return not self.handshake_complete

    def look(self, now: float) -> None:
        """Nothing: unlike a request, it has no end that a client could delay."""

    def cut(self) -> None:
        self.transport.abort()

    # `modelyard.serving.transport.unread.ClientConnection`

    @property
    def holds_back(self) -> bool:
        return not self.writable.is_set()

    def go_on(self) -> None:
        """Nothing: the transport says by itself when there is room."""

    def end_unread(self) -> None:
        self.transport.abort()

    # Called by the transport:

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if not self.all.let_in(self, self.loop):
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self.all.leave(self)
        super().connection_lost(exc)


def is_offered(
    method: bytes, target: bytes, headers: Sequence[Pair], paths: frozenset[bytes]
) -> bool:
    """Whether a head asks for a WebSocket at one of these paths, and is small enough for it."""
    if method != b"GET" or target.partition(b"?")[0] not in paths:
        return False
    if (b"upgrade", b"websocket") not in [(name, value.lower()) for name, value in headers]:
        return False
    return len(target) + sum(len(name) + len(value) + 4 for name, value in headers) <= HEAD_BYTES


def handshake(target: bytes, headers: Sequence[Pair]) -> bytes:
    """The head as the client sent it."""
    lines = [b"GET %b HTTP/1.1" % target, *(b"%b: %b" % pair for pair in headers)]
    return b"\r\n".join([*lines, b"", b""])
