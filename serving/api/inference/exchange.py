"""One request over ASGI and its answer, in as few messages as possible."""

from collections.abc import Awaitable

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from modelyard.serving.api.disconnect import DisconnectWatcher
from modelyard.serving.upstream.stream import Reply
from modelyard.serving.wire.openai.body import check_size
from modelyard.serving.wire.rate_headers import RateLimitStatus, raw_rate_headers

_UNBUFFERED = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class Exchange:
    """The client's side of a request: a `modelyard.serving.gateway.request.ResponseSink`."""

    __slots__ = ("began", "explained", "post", "receive", "request_id", "room", "scope", "watcher")

    def __init__(
        self,
        request_id: str,
        scope: Scope,
        receive: Receive,
        post: Send,
        *,
        watcher: DisconnectWatcher,
    ) -> None:
        self.request_id = request_id
        self.scope = scope
        self.receive = receive
        self.post = post
        self.watcher = watcher
        self.room: RateLimitStatus | None = None
        self.explained = b""
        self.began = False

    @property
    def is_unread(self) -> bool:
        """Whether the connection was cut off because the client did not read its answer."""
        return "unread" in self.scope.get("state", ())

    async def body(self, announced: bytes) -> bytes:
        """Read the whole body; raises ClientDisconnect, or RequestTooLarge once it is too long."""
        check_size(int(announced) if announced.isdigit() else 0)
        parts = list[bytes]()
        size = 0
        is_more = True
        while is_more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part: bytes = message.get("body", b"")
            is_more = message.get("more_body", False)
            parts.append(part)
            size += len(part)
            check_size(size)
        return b"".join(parts)

    async def whole(self, version: str, reply: Reply) -> None:
        answer = reply.first
        length = b"%d" % len(answer)
        self.watcher.stop()
        await self.post(self._start(version, reply, [(b"content-length", length)]))
        await self.post({"type": "http.response.body", "body": answer})

    async def begin(self, version: str, reply: Reply) -> None:
        await self.post(self._start(version, reply, _UNBUFFERED))

    def send(self, events: bytes) -> Awaitable[None]:
        return self.post({"type": "http.response.body", "body": events, "more_body": True})

    async def end(self) -> None:
        self.watcher.stop()
        await self.post({"type": "http.response.body", "body": b""})

    def _start(self, version: str, reply: Reply, more: list[tuple[bytes, bytes]]) -> Message:
        self.began = True
        headers = [
            (b"content-type", reply.response.content_type),
            (b"x-modelyard-version", version.encode()),
            (b"x-request-id", self.request_id.encode("latin-1")),
            *more,
        ]
        if self.explained:
            headers.append((b"x-modelyard-explain", self.explained))
        if reply.status == 503:  # from an engine whose queue is full
            headers.append((b"retry-after", b"1"))
        if self.room is not None:
            headers += raw_rate_headers(self.room)
        return {"type": "http.response.start", "status": reply.status, "headers": headers}
