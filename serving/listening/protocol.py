"""uvicorn's connection, bounded: sizes, times, one meaning for each header, and whoever leaves."""

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from serving.listening import heads
from serving.listening.connections import Connections
from serving.listening.refusals import ANSWERS, Refused, status_of


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client.

    `work` is the request that is answered now; those read ahead of it wait in `pipeline`. While
    `_in_head` or `_in_body` the message that is being read is not complete. Once there is a
    `_refusal` nothing more is read; `_offered` is a head whose offer of another protocol was
    taken out, to be read instead.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.all = connections
        self.bounds = connections.bounds
        self.address = ""
        self._app: Any = self.app
        self.since = self._heard = self._body_since = self.loop.time()
        self.work: RequestResponseCycle | None = None
        self._in_head = self._in_body = self._has_asked = False
        self._refusal = self._offered = b""
        self._usual = dict[str, Any]()
        self._head_bytes = self._body_bytes = self._frame_bytes = 0
        self._read_bytes = self._ahead_bytes = self._dropped_bytes = 0

    @property
    def is_waiting(self) -> bool:
        """Whether nobody works for it: what it asks is not complete, or is answered."""
        work = self.work
        if work is None or work.response_complete:
            return True
        return work.more_body and not work.response_started

    def cut(self) -> None:
        self.transport.abort()

    def look(self, now: float) -> None:
        """End what takes too long to come; how long an answer takes is not looked at here."""
        if self._refusal:
            if self.is_waiting and now - self.since > self.bounds.linger_s:
                self.cut()
        elif self._in_body:
            self._look_at_body(now)
        elif self.is_waiting:
            is_idle = self._has_asked and not self._in_head
            limit = self.bounds.idle_s if is_idle else self.bounds.head_s
            if now - self.since > limit:
                self._refuse(408) if self._in_head else self.transport.close()

    def _look_at_body(self, now: float) -> None:
        cycle, bounds = self.cycle, self.bounds
        if cycle is not self.work or cycle.waiting_for_100_continue or self.flow.read_paused:
            self._heard = self._body_since = now  # it is not the client who keeps us waiting
            return
        longest = bounds.body_s + self._body_bytes / bounds.body_rate
        if now - self._heard > bounds.body_s or now - self._body_since > longest:
            self.cut() if cycle.response_started else self._refuse(408)

    # What the transport calls:

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._usual = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
        }
        if not self.all.let_in(self, self.loop):
            self._refusal = ANSWERS[503]
            transport.write(self._refusal)
            transport.close()

    def data_received(self, data: bytes) -> None:
        work = self.work
        if work is not None and not (work.more_body or work.response_complete):
            self._ahead_bytes += len(data)
            if self._ahead_bytes > self.bounds.ahead_bytes:  # not read, its end would not be seen
                self.cut()
                return
        if self._refusal:
            self._drop(len(data))
            return
        before, body_bytes = self.cycle, self._body_bytes
        self._read_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as paused:
            self._read_on(data[paused.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(status_of(error))
        if (self._in_head or self._in_body) and self.cycle is before and not self._refusal:
            self._count(len(data) - (self._body_bytes - body_bytes))

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever was asked last, the work that is done is the first's: it ends."""
        self.all.leave(self)
        super().connection_lost(exc)
        work, self.work = self.work, None
        if work is not None and not work.response_complete:
            work.disconnected = True
            work.body = bytearray()
            work.message_event.set()
        self.pipeline.clear()
        self.cycle = None  # type: ignore[assignment]  it knows us, and nobody shall find a circle

    def shutdown(self) -> None:
        if self.work is None or self.work.response_complete:
            self.transport.close()
        else:
            self.work.keep_alive = False

    def _read_on(self, rest: bytes) -> None:
        """Without what was offered: the parser believes that it was taken up."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        head, self._offered = self._offered, b""
        self.data_received(head + rest)

    def _count(self, size: int) -> None:
        """Bytes have come that are a head's, or that frame a body and are none of it."""
        if self._in_head:
            self._head_bytes += size
        else:
            self._frame_bytes += size
        room = self.bounds.head_bytes
        if self._head_bytes > room or self._frame_bytes > room + self._body_bytes:
            self._refuse(431)

    # What the parser calls:

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.since = self.loop.time()
        self._in_head = True
        self._head_bytes = self._frame_bytes = 0

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.bounds.target_bytes:
            raise Refused(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        parser, bounds, headers = self.parser, self.bounds, self.headers
        method, version = parser.get_method(), parser.get_http_version()
        given = dict(headers)
        much = self._head_bytes + self._read_bytes > bounds.head_bytes  # of it or after it
        if len(headers) > bounds.headers or (much and self._size > bounds.head_bytes):
            raise Refused(431)
        heads.check(version, method, headers, given)
        if parser.should_upgrade():
            self._offered = heads.without_offer(method, version, self.url, headers)
            return
        self.headers = []  # trailers go there, and nowhere: who let the request in knew of none
        self._in_body = True
        self._body_bytes = self._dropped_bytes = 0
        self._heard = self._body_since = self.since
        self.scope = self._scope(method, version, headers)
        keeps = version == "1.1" and parser.should_keep_alive()
        self._begin(expects=b"expect" in given, keeps=keeps)

    @property
    def _size(self) -> int:
        """Bytes of the head, near enough."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _scope(self, method: bytes, version: str, headers: list[heads.Pair]) -> Any:
        raw_path, query = heads.split(self.url)
        path = raw_path.decode("ascii")
        return {
            **self._usual,
            "http_version": version,
            "method": method.decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "state": self.app_state.copy(),
        }

    def _begin(self, *, expects: bool, keeps: bool) -> None:
        """Now, or once what was asked before is answered."""
        cycle = self.cycle = RequestResponseCycle(
            scope=self.scope,
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
        self._heard = self.loop.time()
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
        self._has_asked = True
        self.cycle.more_body = False
        self.cycle.message_event.set()

    # What answers call:

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.work = cycle
        self._ahead_bytes = 0
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self.since = self.loop.time()
        if self._refusal:
            self.loop.call_soon(self._write_refusal)

    # What ends it:

    def _refuse(self, status: int) -> None:
        """Answer what is asked already, then say why there is no more."""
        self._refusal = ANSWERS[status]
        self.since = self.loop.time()
        if self.pipeline and self._in_body:
            self.pipeline.popleft()  # its body will never be complete
        work = self.work
        if work is not None and work is self.cycle and self._in_body:
            if work.response_started:
                self.loop.call_soon(self.transport.close)
                return
            work.disconnected = True
            work.message_event.set()
            self.loop.call_soon(self._write_refusal)
        elif work is None or work.response_complete:
            self.loop.call_soon(self._write_refusal)

    def _write_refusal(self) -> None:
        """After what was answered; the client can read it, as we read on a little."""
        if not self.transport.is_closing():
            self.transport.write(self._refusal)
            self.transport.write_eof()

    def _drop(self, size: int) -> None:
        self._dropped_bytes += size
        if self._dropped_bytes > self.bounds.dropped_bytes:
            self.cut()
