"""The control HTTP server, inside a process that has its own idea of signals."""

import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.applications import Starlette

from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.descriptors import raised, room_of
from modelyard.serving.transport.listening.serve import bounded


class ControlServer(uvicorn.Server):
    """uvicorn on a socket that is open already; who started it ends it by `should_exit`."""

    def __init__(self, app: Starlette) -> None:
        connections = Connections(most=room_of(raised()))
        super().__init__(bounded(app, connections, lifespan="off", timeout_graceful_shutdown=1))

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def serve_on(self, listener: socket.socket) -> None:
        await self.serve(sockets=[listener])


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A listening socket and its address; port 0 is any free one."""
    listener = socket.create_server((host, port), backlog=128)
    # asyncio does this only where a socket names its protocol; without it answers wait for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener, f"http://{host}:{listener.getsockname()[1]}"
