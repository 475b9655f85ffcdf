"""uvicorn whose answers to POST leave in fewer steps, and whose clients have to read them."""

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
    """Only for POST, whose answers have a body that follows at once.

    A write costs a call into the kernel and wakes the client, who can do nothing with a head.
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
        """Not before the answers that are complete have left."""
        self.loop.call_soon(super().shutdown)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._answer is not None:
            self._answer.drop()

    # What `modelyard.serving.transport.unread` asks of it

    @property
    def holds_back(self) -> bool:
        return self._answer is not None and self._answer.holds_back

    def go_on(self) -> None:
        if self._answer is not None:
            self._answer.go_on()

    def end_unread(self) -> None:
        """The request in work learns why its client is gone."""
        self._scope.setdefault("state", {})["unread"] = True
        if self._answer is not None:
            self._answer.drop()
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._scope = cycle.scope
        if cycle.scope["method"] == "POST":
            app = self._answer = CoalescedResponse(cycle, app, self.loop, self._unread)
        super()._start_asgi_task(cycle, app)
