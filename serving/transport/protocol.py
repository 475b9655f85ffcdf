"""The gateway's connections: POST is written at once, who does not read is cut off, WebSockets."""

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from modelyard.serving.transport.coalesced_response import CoalescedResponse
from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.protocol import BoundedProtocol
from modelyard.serving.transport.unread import Unread
from modelyard.serving.transport.websocket import GatewayWebSocket, handshake, is_offered


class GatewayProtocol(BoundedProtocol):
    """Coalesces head and body for POST, where the body follows the head at once.

    Each write costs a system call and wakes the client, which can do nothing with a head alone.
    A WebSocket may be opened at the paths `sockets`.
    """

    def __init__(  # noqa: PLR0913  uvicorn's four, and ours
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
        unread: Unread | None = None,
        sockets: frozenset[bytes] = frozenset(),
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, connections=connections)
        self._sockets = sockets
        self._handshake = b""
        self._unread = unread or Unread()
        self._answer: CoalescedResponse | None = None
        self._scope: Any = {}

    def shutdown(self) -> None:
        """Wait one loop turn, so that complete answers are written first."""
        self.loop.call_soon(super().shutdown)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answer is not None:
            self._answer.drop()

    # `modelyard.serving.transport.unread.ClientConnection`

    @property
    def holds_back(self) -> bool:
        return self._answer is not None and self._answer.holds_back

    def go_on(self) -> None:
        if self._answer is not None:
            self._answer.go_on()

    def end_unread(self) -> None:
        """Cut the client off; the request's state then says that it did not read."""
        self._scope.setdefault("state", {})["unread"] = True
        if self._answer is not None:
            self._answer.drop()
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._scope = cycle.scope
        if cycle.scope["method"] == "POST":
            app = self._answer = CoalescedResponse(cycle, app, self.loop, self._unread)
        super()._start_asgi_task(cycle, app)

    # WebSockets:

    def _take_offer(self, method: bytes, version: str) -> None:
        is_free = self.work is None or self.work.response_complete
        if is_free and is_offered(method, self.url, self.headers, self._sockets):
            self._handshake = handshake(self.url, self.headers)
            self._offered = self._handshake
        else:
            super()._take_offer(method, version)

    def _read_on(self, rest: bytes) -> None:
        """Hand the connection over where a WebSocket is opened; nothing may be sent before that."""
        if not self._handshake:
            super()._read_on(rest)
        elif rest:
            self.cut()
        else:
            self.all.leave(self)
            self.connections.discard(self)
            socket = GatewayWebSocket(
                self.config,
                self.server_state,
                self.app_state,
                self.loop,
                connections=self.all,
            )
            self.transport.set_protocol(socket)
            socket.connection_made(self.transport)
            socket.data_received(self._handshake)
