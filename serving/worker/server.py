"""The control HTTP server, for a process that handles signals itself."""

import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.applications import Starlette

from modelyard.registry.process import ports
from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.descriptors import raised, room_of
from modelyard.serving.transport.listening.serve import bounded


class ControlServer(uvicorn.Server):
    """uvicorn on an open socket; the caller stops it by setting `should_exit`."""

    def __init__(self, app: Starlette) -> None:
        connections = Connections(most=room_of(raised()))
        super().__init__(bounded(app, connections, lifespan="off", timeout_graceful_shutdown=1))

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def serve_on(self, listener: socket.socket) -> None:
        await self.serve(sockets=[listener])


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A listening socket and its URL; port 0 picks a free port. Raises PortInUse."""
    listener = ports.listen(port, "--port", host)
    # asyncio sets this only if a socket names its protocol; without it answers wait for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener, f"http://{host}:{listener.getsockname()[1]}"
