"""uvicorn's connection, bounded: sizes, times, one meaning for each header, and whoever leaves."""

import asyncio
from typing import Any

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
        self.since = self._heard = self._body_since = self.loop.time()
        self.work: RequestResponseCycle | None = None
        self._in_head = self._in_body = self._has_asked = False
        self._refusal = self._offered = b""
        self._named = set[bytes]()
        self._head_bytes = self._body_bytes = self._frame_bytes = self._trailers = 0
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
        self._read(data)
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

    def _read(self, data: bytes) -> None:
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                except httptools.HttpParserUpgrade as paused:
                    data = self._offered + data[paused.args[0] :]
                    self._offered = b""
                    self.parser = _parser(self)
                else:
                    return
        except httptools.HttpParserError as error:
            self._refuse(status_of(error))

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
        super().on_message_begin()
        self.since = self.loop.time()
        self._in_head = True
        self._named = set()
        self._head_bytes = self._frame_bytes = 0

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > self.bounds.target_bytes:
            raise Refused(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            self._on_trailer()
            return
        name = name.lower()
        if name in heads.ONCE:
            if name in self._named:
                raise Refused(400)
            self._named.add(name)
            if name in heads.ASKING:
                heads.check_value(name, value)
                self.expect_100_continue |= name == b"expect"
        self.headers.append((name, value))
        if len(self.headers) > self.bounds.headers:
            raise Refused(431)

    def _on_trailer(self) -> None:
        """They are dropped: what comes after a body was not known to who let it in."""
        self._trailers += 1
        if self._trailers > self.bounds.headers:
            raise Refused(431)

    def on_headers_complete(self) -> None:
        self._in_head = False
        parser, bounds = self.parser, self.bounds
        if (
            self._head_bytes + self._read_bytes
            > bounds.head_bytes
            < heads.size(self.url, self.headers)
        ):
            raise Refused(431)
        method, version = parser.get_method(), parser.get_http_version()
        heads.check(version, method, self._named)
        self.url = heads.origin_form(self.url)
        if parser.should_upgrade():
            self._offered = heads.without_offer(method, version, self.url, self.headers)
            return
        self._in_body = True
        self._body_bytes = self._trailers = self._dropped_bytes = 0
        self._heard = self._body_since = self.loop.time()
        super().on_headers_complete()
        if self.pipeline:
            self.flow.resume_reading()  # or nobody would see the client leave
            if len(self.pipeline) > bounds.ahead_requests:
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
        super()._start_asgi_task(cycle, app)

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
            self._say_refusal()

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
            self._say_refusal()
        elif work is None or work.response_complete:
            self._say_refusal()

    def _say_refusal(self) -> None:
        """After what was answered; the client can read it, as we read on a little."""
        self.loop.call_soon(self._write_refusal)

    def _write_refusal(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self._refusal)
            self.transport.write_eof()

    def _drop(self, size: int) -> None:
        self._dropped_bytes += size
        if self._dropped_bytes > self.bounds.dropped_bytes:
            self.cut()


def _parser(protocol: HttpToolsProtocol) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
    return parser
