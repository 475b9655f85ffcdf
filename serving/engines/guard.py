"""Only the platform's own processes may talk to an engine."""

import hmac
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.errors import NotAuthenticated
from serving.wire.errors import error_bytes


@dataclass(frozen=True, slots=True)
class InternalGuard:
    """Lets a request in that carries the internal token, or goes to the one open path.

    All others are refused before their body is read.
    """

    app: ASGIApp
    token: str
    open_path: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._knows(scope):
            refusal = error_bytes(NotAuthenticated("The internal token is missing or wrong."))
            response = Response(refusal, 401, media_type="application/json")
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        if self.open_path and scope["path"] == self.open_path:
            return True
        expected = f"Bearer {self.token}".encode()
        given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
        return hmac.compare_digest(given, expected)
