"""Checks the login of every request to our Prefect server before Prefect handles it."""

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
# Keeps Prefect's pages from reporting visits to an analytics company.
_POLICY = UNFRAMED + b"; connect-src 'self' ws: wss:"
_REFUSAL = b'{"exception_message":"Unauthorized"}'
# No WWW-Authenticate: a browser would prompt, then send the login on behalf of any page.
_HEADERS = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class PrefectLogin:
    """Admits requests with the login, and any request for the static files of Prefect's pages.

    Those files contain nothing of this installation and ask for the login themselves. The health
    endpoint is open too, because the pages call it before the login; it reveals nothing more.
    Websockets carry the login in their first message, which Prefect checks.
    """

    app: App
    credential: bytes = field(repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_page(scope) or carries(scope["headers"], self.credential):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, send, 401, _REFUSAL, *_HEADERS)


def is_page(scope: Scope) -> bool:
    """Whether a request is for a static file of Prefect's pages or for the health endpoint."""
    path: str = scope["path"]
    if path == HEALTH:
        return scope["method"] == "GET"
    is_api = path in _ABOUT_THE_API or path == API or path.startswith(f"{API}/")
    return scope["method"] in ("GET", "HEAD") and not is_api


def behind_login(app: App, login: str, host: str) -> App:
    """Prefect's application, protected by `login` and from pages of other origins."""
    return PageGuard(PrefectLogin(app, basic(login)), Pages.of(host), _POLICY)
