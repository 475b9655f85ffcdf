"""The load of one measurement, from a process of its own: `python -m benchmarks.engine.client`.

Reads one line of JSON (`EngineLoad`) and prints one (`Played`). While a request runs, what arrives
is only kept with its time; it is read afterwards, so that the client takes little of the machine.
"""

import asyncio
import itertools
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

_LAST = b"\r\n0\r\n\r\n"  # of a chunked answer


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """Bodies for one path; `concurrency` clients each send, wait for the end, and send the next."""

    host: str
    port: int
    path: str
    token: str
    concurrency: int
    bodies: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Played:
    """Seconds over all, to each answer's first text, and between its texts; tokens it counted.

    Every answer ended because it had as many tokens as were asked for.
    """

    seconds: float
    first_s: list[float]
    between_s: list[float]
    prompt_tokens: list[int]
    output_tokens: list[int]
    texts: list[str]


@dataclass(slots=True)
class TimedAnswer:
    """One answer as it came: pieces, each with the time of its arrival."""

    sent: float
    ended: asyncio.Future[None]
    pieces: list[tuple[float, bytes]] = field(default_factory=list[tuple[float, bytes]])


class BenchConnection(asyncio.Protocol):
    """One request's connection."""

    def __init__(self) -> None:
        self.answer: TimedAnswer | None = None
        self.tail = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  it is TCP
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.answer is None:
            return
        self.answer.pieces.append((time.perf_counter(), data))
        self.tail = (self.tail + data)[-len(_LAST) :]  # it may come in two pieces
        if self.tail == _LAST and not self.answer.ended.done():
            self.answer.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.ended.done():
            self.answer.ended.set_exception(exc or ConnectionError("The server hung up."))

    async def ask(self, request: bytes) -> TimedAnswer:
        assert self.transport is not None  # noqa: S101  connected
        ended = asyncio.get_running_loop().create_future()
        self.answer = TimedAnswer(time.perf_counter(), ended)
        self.transport.write(request)
        await ended
        return self.answer


async def play(load: EngineLoad) -> list[TimedAnswer]:
    requests = iter([_request(load, body) for body in load.bodies])

    async def client() -> list[TimedAnswer]:
        return [await _ask(load, request) for request in requests]

    clients = await asyncio.gather(*(client() for _ in range(load.concurrency)))
    return [answer for answers in clients for answer in answers]


async def _ask(load: EngineLoad, request: bytes) -> TimedAnswer:
    """Over a connection of its own, made beforehand: llama-server hangs up after a stream."""
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_connection(BenchConnection, load.host, load.port)
    try:
        return await connection.ask(request)
    finally:
        transport.close()


def _request(load: EngineLoad, body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    head = (
        f"POST {load.path} HTTP/1.1\r\nhost: {load.host}:{load.port}\r\n"
        f"authorization: Bearer {load.token}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def played(answers: list[TimedAnswer]) -> Played:
    found = Played(0.0, [], [], [], [], [])
    for answer in answers:
        _read(answer, found)
    begun = min(a.sent for a in answers)
    ended = max(a.pieces[-1][0] for a in answers)
    return Played(ended - begun, *list(asdict(found).values())[1:])


def _read(answer: TimedAnswer, found: Played) -> None:
    """An answer's texts with their times, and the usage that ends it."""
    texts = list[str]()
    times = list[float]()
    usage = dict[str, Any]()
    rest = b""
    full = False
    for at, piece in answer.pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            usage = event.get("usage") or usage
            full = full or any(c.get("finish_reason") == "length" for c in event.get("choices", ()))
            if text := _text(event):
                texts.append(text)
                times.append(at)
    if not full or not times:
        raise RuntimeError(f"not an answer: {b''.join(p for _, p in answer.pieces)[-500:]!r}")
    found.first_s.append(times[0] - answer.sent)
    found.between_s.extend(b - a for a, b in itertools.pairwise(times))
    found.texts.append("".join(texts))
    if usage:  # llama_cpp.server says nothing of it in a stream
        found.prompt_tokens.append(usage["prompt_tokens"])
        found.output_tokens.append(usage["completion_tokens"])


def _text(event: dict[str, Any]) -> str:
    """What an event adds to the answer: text, or a piece of a call."""
    for choice in event.get("choices", ()):
        delta = choice.get("delta") or {}
        return choice.get("text") or delta.get("content") or str(delta.get("tool_calls") or "")
    return ""


def main() -> None:
    load = EngineLoad(**json.loads(sys.stdin.readline()))
    print(json.dumps(asdict(played(asyncio.run(play(load))))))


if __name__ == "__main__":
    main()
