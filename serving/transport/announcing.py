"""A uvicorn server that reports its address once it serves, and checks for unread answers."""

import socket
import time
from collections.abc import Callable, Iterable
from typing import cast

import uvicorn

from modelyard.serving.transport.unread import ClientConnection, Unread


class GatewayServer(uvicorn.Server):
    """Calls `ready` with the server's URL once the application has started.

    `leave` is called before it waits for the answers under way: some have no end of their own.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[str], None],
        unread: Unread,
        leave: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._unread = unread
        self._leave = leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            self._ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leave()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        connections = cast("Iterable[ClientConnection]", self.server_state.connections)
        self._unread.tick(connections, time.monotonic())
        return await super().on_tick(counter)
