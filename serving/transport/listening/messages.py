"""Parser callbacks that turn the bytes of a connection into requests, within bounds."""

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from modelyard.serving.transport.listening import heads
from modelyard.serving.transport.listening.bounds import Bounds
from modelyard.serving.transport.listening.refusals import Refused


class Messages(HttpToolsProtocol):
    """The parser's side of one connection.

    `work` is the request being answered; later requests wait in `pipeline`. `_in_head` and
    `_in_body` are true while that part of a message is incomplete. `_offered` is a head with its
    upgrade offer removed, to be parsed instead of the original. `_begun` counts messages begun.
    """

    parser: httptools.HttpRequestParser

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        bounds: Bounds,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.bounds = bounds
        self.work: RequestResponseCycle | None = None
        self._app: Any = self.app
        self._usual = dict[str, Any]()
        self._in_head = self._in_body = False
        self._offered = b""
        self._begun = self._read_bytes = self._dropped_bytes = 0
        self._head_bytes = self._body_bytes = self._frame_bytes = 0

    def cut(self) -> None:
        self.transport.abort()

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._in_head = True
        self._begun += 1

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.bounds.target_bytes:
            raise Refused(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        parser = self.parser
        bounds = self.bounds
        headers = self.headers
        method = parser.get_method()
        version = parser.get_http_version()
        given = dict(headers)
        much = self._head_bytes + self._read_bytes > bounds.head_bytes  # may count body bytes
        if len(headers) > bounds.headers or (much and self._size > bounds.head_bytes):
            raise Refused(431)
        heads.check(version, method, headers, given)
        if parser.should_upgrade():
            self._take_offer(method, version)
            return
        self.headers = []  # collects trailers, which are ignored: no check saw them
        self._in_body = True
        self._head_bytes = self._body_bytes = self._frame_bytes = self._dropped_bytes = 0
        raw_path, query = heads.split(self.url)
        path = raw_path.decode("ascii")
        scope: Any = {
            **self._usual,
            "http_version": version,
            "method": method.decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "state": self.app_state.copy(),
        }
        keeps = version == "1.1" and parser.should_keep_alive()
        self._begin(scope, expects=b"expect" in given, keeps=keeps)

    def _take_offer(self, method: bytes, version: str) -> None:
        """Keep the head of a request that offers another protocol; here the offer is ignored."""
        self._offered = heads.without_offer(method, version, self.url, self.headers)

    @property
    def _size(self) -> int:
        """Approximate size of the head in bytes."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _begin(self, scope: Any, *, expects: bool, keeps: bool) -> None:
        """Start the request, or queue it while an earlier one is being answered."""
        self.scope = scope
        cycle = self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects,
            keep_alive=keeps,
            on_response=self.on_response_complete,
        )
        if self.work is None or self.work.response_complete:
            self._start_asgi_task(cycle, self._app)
            return
        self.pipeline.appendleft((cycle, self._app))
        if len(self.pipeline) > self.bounds.ahead_requests:
            self.cut()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        cycle = self.cycle
        if cycle.response_complete:
            self._drop(len(body))
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading() if cycle is self.work else self.cut()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self._offered:
            return
        self._in_body = False
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def _drop(self, size: int) -> None:
        self._dropped_bytes += size
        if self._dropped_bytes > self.bounds.dropped_bytes:
            self.cut()

    def _is_too_much(self, size: int) -> bool:
        """Count `size` bytes of head or body framing; return whether that exceeds the limit."""
        if self._in_head:
            self._head_bytes += size
        else:
            self._frame_bytes += size
        room = self.bounds.head_bytes
        return self._head_bytes > room or self._frame_bytes > room + self._body_bytes
