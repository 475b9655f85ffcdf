"""uvicorn whose answers to POST leave in fewer steps: head and body in one write."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from serving.cli.joined import JoinedAnswer
from serving.listening.protocol import BoundedProtocol


class JoiningProtocol(BoundedProtocol):
    """Only for POST, whose answers have a body that follows at once.

    A write costs a call into the kernel and wakes the client, who can do nothing with a head.
    """

    def shutdown(self) -> None:
        """Not before the answers that are complete have left."""
        self.loop.call_soon(super().shutdown)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.scope["method"] == "POST":
            app = JoinedAnswer(cycle, app, self.loop)
        super()._start_asgi_task(cycle, app)
