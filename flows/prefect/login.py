"""What the Prefect server of ours asks of every request before Prefect sees it."""

from dataclasses import dataclass, field

from modelyard.registry.web.authorization import basic, carries
from modelyard.registry.web.origins import (
    UNFRAMED,
    App,
    PageGuard,
    Pages,
    Receive,
    Scope,
    Send,
    refuse,
)

API = "/api"
HEALTH = "/api/health"
_ABOUT_THE_API = frozenset({"/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc"})
# Its pages would tell a company that counts visitors of every visit.
_POLICY = UNFRAMED + b"; connect-src 'self' ws: wss:"
_REFUSAL = b'{"exception_message":"Unauthorized"}'
# No challenge: a browser would ask by itself, and from then on send the login for any page.
_HEADERS = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class PrefectLogin:
    """Lets in who shows the login, and anybody to the files that Prefect's pages are made of.

    Those hold nothing of this installation, ask for the login themselves, and before that whether
    the server is up: its health is open, and says no more. Websockets carry the login in their
    first message, which is Prefect's own to judge.
    """

    app: App
    credential: bytes = field(repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_page(scope) or carries(scope["headers"], self.credential):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, send, 401, _REFUSAL, *_HEADERS)


def is_page(scope: Scope) -> bool:
    """Whether it is for one of the files of Prefect's pages, or what they ask before the login."""
    path: str = scope["path"]
    if path == HEALTH:
        return scope["method"] == "GET"
    is_api = path in _ABOUT_THE_API or path == API or path.startswith(f"{API}/")
    return scope["method"] in ("GET", "HEAD") and not is_api


def behind_login(app: App, login: str, host: str) -> App:
    """Prefect's application for the holder of `login`, out of reach of foreign pages."""
    return PageGuard(PrefectLogin(app, basic(login)), Pages.of(host), _POLICY)
