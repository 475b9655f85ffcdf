"""uvicorn that sends an answer's head with the first of its body: one write and not two."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class JoiningProtocol(HttpToolsProtocol):
    """Only for POST, whose answers have a body that follows at once.

    A write costs a call into the kernel and wakes the client, who can do nothing with a head.
    """

    def _start_asgi_task(
        self, cycle: RequestResponseCycle, app: Callable[..., Awaitable[Any]]
    ) -> None:
        if cycle.scope["method"] == "POST" and not cycle.waiting_for_100_continue:
            cycle.transport = cast("Any", _HeadFirst(cycle))
        super()._start_asgi_task(cycle, app)


class _HeadFirst:
    """Stands in for the transport until the first of the body is written."""

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._head = b""

    def write(self, data: bytes) -> None:
        if not self._head:
            self._head = data
            return
        self._cycle.transport = self._transport
        self._transport.writelines((self._head, data))

    def close(self) -> None:
        """Something broke before there was a body."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
