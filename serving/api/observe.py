"""Every request has an id and leaves a trail: what it was, how it ended, how long it took."""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.trail import OTHER, Counted, Trail
from serving.usage.ids import new_id

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Observe:
    """Puts a Trail into `scope["state"]` and records it when the request has ended."""

    app: ASGIApp
    counted: Counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trail = begun(Headers(scope=scope).get("x-request-id", "").encode("latin-1"))
        scope.setdefault("state", {})["trail"] = trail

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                trail.status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = trail.request_id
            await send(message)

        self.counted.active += 1
        try:
            await self.app(scope, receive, send_marked)
        finally:
            self.counted.active -= 1
            if trail.route == OTHER:
                trail.route = getattr(scope.get("route"), "path", OTHER)
            trail.status = trail.status or 500  # what broke is answered further out
            self.counted.record(trail)


def begun(given: bytes, route: str = OTHER) -> Trail:
    """The trail of a new request, under the client's own name for it where that is sound."""
    own_id = new_id()
    request_id = given.decode() if given and _GIVEN.fullmatch(given) else own_id
    return Trail(own_id, request_id, route)
