"""A uvicorn HTTP connection with limits on what it reads and on how long the client may take."""

import asyncio
import math
from enum import Enum, auto
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.messages import Messages
from modelyard.serving.transport.listening.refusals import ANSWERS, status_of


class Phase(Enum):
    """What a connection is doing, which decides how long its client may take."""

    NEW = auto()
    HEAD = auto()
    BODY = auto()
    WORK = auto()
    IDLE = auto()
    REFUSED = auto()


class BoundedProtocol(Messages):
    """One client connection.

    Once `_refusal` is set, further bytes are dropped without being parsed.
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
        super().__init__(config, server_state, app_state, _loop, bounds=connections.bounds)
        self.all = connections
        self.address = ""
        self.since = self._heard = self.loop.time()
        self._mark: tuple[int, Phase] | None = (0, Phase.NEW)
        self._refusal = b""
        self._ahead_bytes = self._body_seen = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the server owes nothing: the request is incomplete or already answered."""
        work = self.work
        if work is None or work.response_complete:
            return True
        return work.more_body and not work.response_started

    def look(self, now: float) -> None:
        """Refuse or close the connection if its client is too slow; answers have no limit here.

        A new message or phase counts from the first look that sees it, so requests keep no times.
        """
        phase = self._phase
        if (mark := (self._begun, phase)) != self._mark:
            self._mark = mark
            self.since = now
            self._heard = now
        if phase is Phase.BODY:
            self._look_at_body(now)
        elif now - self.since > self._longest(phase):
            match phase:
                case Phase.HEAD:
                    self._refuse(408)
                case Phase.REFUSED:
                    self.cut()
                case _:
                    self.transport.close()

    def _longest(self, phase: Phase) -> float:
        match phase:
            case Phase.WORK:
                return math.inf
            case Phase.IDLE:
                return self.bounds.idle_s
            case Phase.REFUSED:
                return self.bounds.linger_s
            case _:
                return self.bounds.head_s

    @property
    def _phase(self) -> Phase:
        if self._refusal:
            return Phase.REFUSED if self.is_waiting else Phase.WORK
        if self._in_body:
            return Phase.BODY
        if not self.is_waiting:
            return Phase.WORK
        if self._in_head:
            return Phase.HEAD
        return Phase.NEW if self.work is None else Phase.IDLE

    def _look_at_body(self, now: float) -> None:
        cycle = self.cycle
        bounds = self.bounds
        if cycle is not self.work or cycle.waiting_for_100_continue or self.flow.read_paused:
            self._mark = None  # the client is not the cause of this wait
            return
        if self._body_bytes != self._body_seen:
            self._body_seen = self._body_bytes
            self._heard = now
        longest = bounds.body_s + self._body_bytes / bounds.body_rate
        if now - self._heard > bounds.body_s or now - self.since > longest:
            self.cut() if cycle.response_started else self._refuse(408)

    # Called by the transport:

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
            if self._ahead_bytes > self.bounds.ahead_bytes:  # a pause would hide a disconnect
                self.cut()
                return
        if self._refusal:
            self._drop(len(data))
            return
        before = self.cycle
        body_bytes = self._body_bytes
        self._read_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as paused:
            self._read_on(data[paused.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(status_of(error))
        if (self._in_head or self._in_body) and self.cycle is before and not self._refusal:
            other = len(data) - (self._body_bytes - body_bytes)
            if self._is_too_much(other):
                self._refuse(431)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request being answered, even if later ones were read ahead of time."""
        self.all.leave(self)
        super().connection_lost(exc)
        work, self.work = self.work, None
        if work is not None and not work.response_complete:
            work.disconnected = True
            work.body = bytearray()
            work.message_event.set()
        self.pipeline.clear()
        self.cycle = None  # type: ignore[assignment]  breaks a reference cycle

    def shutdown(self) -> None:
        if self.work is None or self.work.response_complete:
            self.transport.close()
        else:
            self.work.keep_alive = False

    def _read_on(self, rest: bytes) -> None:
        """Restart the parser without the upgrade offer, which the old parser takes as accepted."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        head, self._offered = self._offered, b""
        self.data_received(head + rest)

    # Called by responses:

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
        if self._refusal:
            self.loop.call_soon(self._write_refusal)

    # Refusing:

    def _refuse(self, status: int) -> None:
        """Answer the complete requests already read, then send the refusal for `status`."""
        self._refusal = ANSWERS[status]
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
        """Send the refusal; the server then reads on a little, so that the client sees it."""
        if not self.transport.is_closing():
            self.transport.write(self._refusal)
            self.transport.write_eof()
