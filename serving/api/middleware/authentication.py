"""Requires a credential on every path except those listed here."""

from dataclasses import dataclass

from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.registry.errors import ModelyardError
from modelyard.registry.identity.caller import Caller
from modelyard.registry.web.authorization import carries
from modelyard.registry.web.origins import Pages
from modelyard.serving.api.notices.event_stream import STREAM
from modelyard.serving.api.notices.socket import PATH as SOCKET
from modelyard.serving.api.problems import database_away, refusal
from modelyard.serving.api.routes.health import METRICS
from modelyard.serving.api.services import services_in
from modelyard.serving.errors import ForeignPage

OPEN = frozenset({"/api/v1/login", "/health", "/health/live", "/health/ready"})
BY_TICKET = frozenset({STREAM})
"""Closed paths that take a ticket in the address instead; their routes look at it."""


@dataclass(frozen=True, slots=True)
class AuthMiddleware:
    """Puts a request's caller into `scope["state"]`, or refuses it before its body is read.

    On open paths, with a ticket and for the metrics token, the caller is None.
    """

    app: ASGIApp
    pages: Pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"] != SOCKET:
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] in ("http", "websocket"):
            try:
                await self._admit(scope)
            except ModelyardError as error:
                await refusal(scope["path"], error)(scope, receive, send)
                return
            except OperationalError:
                await refusal(scope["path"], database_away())(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        """Set the caller; raises ForeignPage, or NotAuthenticated on a path that is not open."""
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None:
            refuse_foreign(self.pages, origin.encode("latin-1"), headers.get("host", "").encode())
        scope["state"]["caller"] = None if _is_open(scope) else await _caller(scope)


def refuse_foreign(pages: Pages, origin: bytes, host: bytes) -> None:
    """Raise ForeignPage for a web page of an origin that is not allowed, even with a credential."""
    if not pages.admits(origin, host):
        raise ForeignPage(
            f"Web pages from {origin[:200].decode('latin-1')} may not use this gateway.",
            fix="Its operator can list the origin in MODELYARD_CORS_ORIGINS.",
        )


def _is_open(scope: Scope) -> bool:
    """Whether no caller is needed here; the WebSocket's route takes a ticket."""
    if scope["type"] == "websocket":
        return True
    takes_ticket = scope["method"] == "GET" and scope["path"] in BY_TICKET
    return takes_ticket or scope["path"] in OPEN or _measures(scope)


def _measures(scope: Scope) -> bool:
    """Whether this is a request for the metrics with the metrics token."""
    authenticator = services_in(scope["app"]).authenticator
    return scope["path"] == METRICS and carries(scope["headers"], authenticator.measures)


async def _caller(scope: Scope) -> Caller:
    authenticator = services_in(scope["app"]).authenticator
    authorization = Headers(scope=scope).get("authorization", "")
    return authenticator.known(authorization) or await authenticator.caller(authorization)
