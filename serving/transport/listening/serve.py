"""A server of ours as uvicorn is to run it."""

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
    """Without WebSockets, as we serve none, and with a log of our form."""
    more.setdefault("proxy_headers", False)
    return Config(
        app,
        http=cast("Any", partial(kind, connections=connections)),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=backlog_of(connections.most),
        **more,
    )
