"""The uvicorn configuration of a server with bounded connections."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from starlette.types import ASGIApp
from uvicorn import Config

from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.descriptors import backlog_of
from modelyard.serving.transport.listening.protocol import BoundedProtocol


def bounded(
    app: ASGIApp,
    connections: Connections,
    kind: Callable[..., BoundedProtocol] = BoundedProtocol,
    **more: Any,
) -> Config:
    """A config without uvicorn's log setup; where WebSockets are served, clients say little."""
    more.setdefault("proxy_headers", False)
    return Config(
        app,
        http=cast("Any", partial(kind, connections=connections)),
        ws="none",  # the protocols of `kind` hand over to ours
        ws_max_size=1024,
        ws_per_message_deflate=False,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=backlog_of(connections.most),
        **more,
    )
