"""Restricts engines and workers to the platform's own processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.registry.errors import NotAuthenticated
from modelyard.registry.web.authorization import bearer, carries
from modelyard.registry.web.origins import from_page, refuse
from modelyard.serving.wire.errors import error_bytes

_REFUSAL = error_bytes(NotAuthenticated("The internal token is missing or wrong."))
_HEADERS = ((b"content-type", b"application/json"), (b"www-authenticate", b"Bearer"))


@dataclass(frozen=True, slots=True)
class InternalGuard:
    """Admits requests with the internal token, or with a token for their path in `also`.

    Other requests are refused before their body is read, and so are requests from web pages:
    browsers have no such token.
    """

    app: ASGIApp
    token: str = field(repr=False)
    also: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._knows(scope):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, send, 401, _REFUSAL, *_HEADERS)

    def _knows(self, scope: Scope) -> bool:
        if from_page(scope["headers"]):
            return False
        tokens = [self.token]
        if more := self.also.get(scope["path"]):
            tokens.append(more)
        return carries(scope["headers"], *map(bearer, tokens))
