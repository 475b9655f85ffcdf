"""A stand-in for engines, fast enough (about 10 µs a request) never to be what is measured.

`python -m benchmarks.gateway.backend PORT` answers any POST as an engine does. The model's name
sets the form of the answer: `mock-c100-d50` streams 100 chunks, one every 50 ms; `mock-w500`
thinks for 500 ms. Every chunk says when it was written (`t=<CLOCK_MONOTONIC ns>;`), so that a
client on the same machine sees how long it was on its way.
"""

import asyncio
import re
import socket
import sys
import time
from dataclasses import dataclass
from typing import cast

import uvloop

from modelyard.serving.wire.headers import COUNT
from modelyard.serving.wire.openai.events import DONE, counted
from modelyard.serving.wire.openai.usage import Usage

_META = b'"id":"chatcmpl-1","created":1790000000,"model":"mock"'
_CHUNK = (
    b'data: {"object":"chat.completion.chunk",' + _META + b',"choices":[{"index":0,"delta":'
    b'{"role":"assistant","content":"t=%d; word"},"finish_reason":null}]}\n\n'
)
_LAST = (
    b'data: {"object":"chat.completion.chunk",' + _META + b',"choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}]}\n\n' + DONE
)
_USAGE = b'"usage":{"prompt_tokens":20,"completion_tokens":64,"total_tokens":84}'
_BODY = (
    b'{"object":"chat.completion",' + _META + b',"choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"'
    + b"The quick brown fox jumps over the lazy dog. " * 6
    + b'"},"finish_reason":"stop","logprobs":null}],'
    + _USAGE
    + b"}"
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: "
_WHOLE = _HEAD + b"application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
_STREAM = _HEAD + b"text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_MODEL = re.compile(rb'"model"\s*:\s*"mock((?:-[a-z]\d+)*)"')
_STREAMED = re.compile(rb'"stream"\s*:\s*true')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_COUNT = COUNT.lower().encode()


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass(slots=True)
class Form:
    """The form of an answer: chunks, seconds between them, seconds before the first."""

    chunks: int = 32
    delay_s: float = 0.0
    work_s: float = 0.0

    @classmethod
    def of(cls, body: bytes) -> "Form":
        form = cls()
        named = _MODEL.search(body)
        for option in named.group(1)[1:].split(b"-") if named and named.group(1) else ():
            value = int(option[1:])
            match option[:1]:
                case b"c":
                    form.chunks = value
                case b"d":
                    form.delay_s = value / 1000
                case _:
                    form.work_s = value / 1000
        return form


class BackendConnection(asyncio.Protocol):
    """One client: requests one after the other, as HTTP/1.1 has them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.received = b""
        self.busy = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._next()

    def _next(self) -> None:
        while not self.busy and (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.received, 0, end + 2)
            total = end + 4 + (int(length.group(1)) if length else 0)
            if len(self.received) < total:
                return
            head = self.received[:end].lower()
            body = self.received[end + 4 : total]
            self.received = self.received[total:]
            self._answer(Form.of(body), bool(_STREAMED.search(body)), _COUNT in head)

    def _answer(self, form: Form, streamed: bool, count: bool) -> None:  # noqa: FBT001 - inner
        if streamed:
            self.busy = True
            self._write(_STREAM)
            at = self.loop.time() + (form.work_s or form.delay_s)
            self.loop.call_at(at, self._chunk, form.chunks, form.delay_s, at, count)
        elif form.work_s:
            self.busy = True
            self.loop.call_later(form.work_s, self._done, _WHOLE)
        else:
            self._write(_WHOLE)

    def _chunk(self, left: int, delay_s: float, at: float, count: bool) -> None:  # noqa: FBT001
        if not left:
            usage = counted(Usage.of(prompt=20, completion=32)) if count else b""
            self._done(_chunked(_LAST + usage) + b"0\r\n\r\n")
            return
        self._write(_chunked(_CHUNK % time.monotonic_ns()))
        at += delay_s  # by the clock: delays do not add up
        if delay_s:
            self.loop.call_at(at, self._chunk, left - 1, delay_s, at, count)
        else:  # one chunk a turn of the loop, as an engine writes them
            self.loop.call_soon(self._chunk, left - 1, delay_s, at, count)

    def _done(self, data: bytes) -> None:
        self._write(data)
        self.busy = False
        self._next()

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        BackendConnection, "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
