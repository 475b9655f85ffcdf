"""The door: every address is closed without a credential, but for those listed here."""

from dataclasses import dataclass

from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.errors import NotAuthenticated
from registry.names import Caller
from serving.api.parts import parts_in
from serving.api.problems import database_away, refusal

OPEN = frozenset(
    {
        "/api/v1/login",
        "/docs",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/openapi.json",
    }
)


@dataclass(frozen=True, slots=True)
class Door:
    """Lets a request in with its caller in `scope["state"]`; refuses it before its body is read."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # there are none yet, and none comes in by accident
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and scope["path"] not in OPEN:
            try:
                scope["state"]["caller"] = await _caller(scope)
            except NotAuthenticated as error:
                await refusal(scope["path"], error)(scope, receive, send)
                return
            except OperationalError:
                await refusal(scope["path"], database_away())(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def _caller(scope: Scope) -> Caller:
    authenticator = parts_in(scope["app"]).authenticator
    authorization = Headers(scope=scope).get("authorization", "")
    return authenticator.known(authorization) or await authenticator.caller(authorization)
