"""One request inside the gateway, and the interface to the client that waits for its answer."""

from collections.abc import Awaitable
from typing import Protocol

from modelyard.registry.identity.caller import Caller
from modelyard.serving.observability.request_record import RequestRecord
from modelyard.serving.routing.running import RunningRequest
from modelyard.serving.routing.suspicion.suspects import Case
from modelyard.serving.upstream.stream import Reply
from modelyard.serving.wire.rate_headers import RateLimitStatus

CLIENT_UNREAD = 498
CLIENT_GONE = 499
"""Statuses recorded but never sent: the client stopped reading, or left before the end."""


class GatewayRequest:
    """A client's request; its body is forwarded byte for byte.

    A `priority` of None means the default. `case` is set if an engine ended while it had this
    request or an equal one. `running` is what an engine was last given of it. `used` becomes true
    once the request is booked.
    """

    __slots__ = (
        "body", "caller", "case", "explain", "path", "priority", "record", "running", "used",
    )  # fmt: skip
    case: Case | None
    running: RunningRequest | None

    def __init__(
        self,
        caller: Caller,
        body: bytes,
        record: RequestRecord,
        *,
        explain: bool = False,
        priority: int | None = None,
    ) -> None:
        self.caller = caller
        self.path = record.route
        self.body = body
        self.record = record
        self.explain = explain
        self.priority = priority
        self.used = False
        self.case = None
        self.running = None


class ResponseSink(Protocol):
    """The client's side of an answer; unread data is buffered within bounds.

    `whole` and `end` return once the client has read nearly all of it.
    """

    room: RateLimitStatus | None
    explained: bytes

    @property
    def is_unread(self) -> bool:
        """Whether the client's connection was ended because it read nothing for too long."""
        ...

    async def whole(self, version: str, reply: Reply) -> None: ...

    async def begin(self, version: str, reply: Reply) -> None: ...

    def send(self, events: bytes) -> Awaitable[None]: ...

    async def end(self) -> None: ...
