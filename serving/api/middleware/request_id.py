"""Gives every request an id and records its route, status and duration."""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelyard.serving.metering.ids import new_id
from modelyard.serving.observability.request_record import OTHER, RequestRecord, RequestStats

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class RequestIdMiddleware:
    """Puts a RequestRecord into `scope["state"]["trail"]` and counts it at the request's end."""

    app: ASGIApp
    counted: RequestStats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = begun(Headers(scope=scope).get("x-request-id", "").encode("latin-1"))
        scope.setdefault("state", {})["trail"] = record

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = record.request_id
            await send(message)

        self.counted.active += 1
        try:
            await self.app(scope, receive, send_marked)
        finally:
            self.counted.active -= 1
            if record.route == OTHER:
                record.route = getattr(scope.get("route"), "path", OTHER)
            record.status = record.status or 500  # an outer handler answers exceptions with 500
            self.counted.record(record)


def begun(given: bytes, route: str = OTHER) -> RequestRecord:
    """The record of a new request, with the client's own request id if that is well-formed."""
    own_id = new_id()
    request_id = given.decode() if given and _GIVEN.fullmatch(given) else own_id
    return RequestRecord(own_id, request_id, route)
