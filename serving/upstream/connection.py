"""One kept-alive connection to an engine, with one request in flight at a time."""

import asyncio
from collections.abc import Callable
from typing import NoReturn, cast

import httptools

from modelyard.serving.upstream.answer import HttpAnswer

MOST_HEAD = 64 * 1024
STATUSES = range(200, 600)
"""Statuses of a final answer in HTTP."""

_CONTENT_TYPE = b"content-type"


class EngineConnection(asyncio.Protocol):
    """Calls `idle` after each complete answer that leaves it reusable, and `lost` when it closes.

    `heard_at` is when data last arrived or a request was sent, by the loop's clock. `was_stale`
    means that the connection broke before a byte of the answer came.
    """

    def __init__(
        self, idle: Callable[["EngineConnection"], None], lost: Callable[["EngineConnection"], None]
    ) -> None:
        self.answer: HttpAnswer | None = None
        self.heard_at = 0.0
        self.is_paused = False
        self.was_stale = False
        self._idle = idle
        self._lost = lost
        self._head_bytes = 0
        self._is_asked = False
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport

    @property
    def is_usable(self) -> bool:
        return not self._transport.is_closing()

    def send(self, head: bytes, body: bytes) -> HttpAnswer:
        """Send a request at the end of the loop's turn, once the loop has read what came before.

        What an engine said unasked would be taken for the answer; read before the request is
        written, it ends the connection as stale. This costs no system call, as looking would.
        """
        answer = self.answer = HttpAnswer(self)
        self.heard_at = self._loop.time()
        self._head_bytes = 0
        self._loop.call_soon(self._ask, (head, body))
        return answer

    def close(self) -> None:
        self._transport.close()

    def fail(self, why: str) -> None:
        """Abort the connection and end the awaited answer with an error."""
        answer, self.answer = self.answer, None
        self._transport.abort()
        if answer is not None:
            answer.end(why)

    def _ask(self, request: tuple[bytes, bytes]) -> None:
        if self.is_usable:
            self._is_asked = True
            self._transport.writelines(request)

    def _not_http(self, why: str) -> None:
        """Abort the connection: what came is no answer."""
        answer, self.answer = self.answer, None
        self._transport.abort()
        if answer is not None:
            answer.is_none(why)

    # The answer's side (modelyard.serving.upstream.answer.FlowControl):

    def pause(self) -> None:
        if self.is_usable:
            self.is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        self.heard_at = self._loop.time()  # the pause was ours, not the engine's silence
        if self.is_paused and self.is_usable:
            self.is_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        self.answer = None
        self._transport.abort()

    # The transport's side:

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # the event loop sets TCP_NODELAY

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer is None or not self._is_asked:
            self.was_stale = True
            self.fail("it spoke without being asked")
            return
        self.heard_at = self._loop.time()
        if not answer.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._not_http(f"it does not speak HTTP: {error.__context__ or error}")
            return
        if not answer.status and self._head_bytes > MOST_HEAD:
            self._not_http(f"its headers have more than {MOST_HEAD} bytes")
        answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)
        answer, self.answer = self.answer, None
        if answer is not None:
            self.was_stale = not self._head_bytes
            answer.end(f"the connection broke: {exc or 'closed by the engine'}", in_hand=True)

    # The parser's side:

    def on_message_begin(self) -> None:
        if self.answer is None:
            _unasked()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == len(_CONTENT_TYPE) and name.lower() == _CONTENT_TYPE:
            (self.answer or _unasked()).content_type = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status not in STATUSES:
            raise ConnectionError(f"its status is {status}")  # the parser reraises it as its own
        (self.answer or _unasked()).status = status

    def on_body(self, body: bytes) -> None:
        (self.answer or _unasked()).came(body)

    def on_message_complete(self) -> None:
        answer, self.answer = self.answer or _unasked(), None
        self._is_asked = False
        if self.is_paused:
            self.resume()
        answer.end()
        if self._parser.should_keep_alive() and self.is_usable:
            self._idle(self)
        else:
            self._transport.close()


def _unasked() -> NoReturn:
    raise ConnectionError("more than the answer came")  # the parser reraises it as its own error
