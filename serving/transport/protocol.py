"""A uvicorn protocol that coalesces writes for POST and cuts off clients that do not read."""

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from modelyard.serving.transport.coalesced_response import CoalescedResponse
from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.protocol import BoundedProtocol
from modelyard.serving.transport.unread import Unread


class GatewayProtocol(BoundedProtocol):
    """Coalesces head and body for POST, where the body follows the head at once.

    Each write costs a system call and wakes the client, which can do nothing with a head alone.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
        unread: Unread | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, connections=connections)
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
