"""The dashboard's server: Streamlit behind a login, out of reach for pages of other origins.

`python -m modelyard.dashboard.server --host 127.0.0.1 --port 8501`; its settings name the gateway.
"""

import argparse
from pathlib import Path

import streamlit as st
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.login import LOGIN, LOGOUT, LoginPage, to_login
from modelyard.dashboard.sessions import SESSIONS
from modelyard.dashboard.settings import DashboardSettings
from modelyard.registry.settings import load
from modelyard.registry.web.origins import LOOPBACK, PageGuard, Pages, Receive, Scope, Send, refuse

APP = Path(__file__).with_name("app.py")
SHUT = (
    "/_stcore/agent/",
    "/_stcore/metrics",
    "/_stcore/script-health-check",
    "/auth/",
    "/oauth2callback",
)
"""Streamlit endpoints that are closed: session details and login routes that we do not use."""

NOBODY = b"Nobody is logged in.\n"

HEALTH = "/_stcore/health"
"""All that is answered to whoever is not logged in, beside the login page."""

_LIGHT = {
    "primaryColor": "#4f6bed",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f5f6fa",
    "textColor": "#1d2433",
    "borderColor": "#e3e6ee",
}
_DARK = {
    "primaryColor": "#7b92ff",
    "backgroundColor": "#11141d",
    "secondaryBackgroundColor": "#191e2b",
    "textColor": "#e8eaf2",
    "borderColor": "#2d3448",
}

OPTIONS: dict[str, object] = {
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.maxUploadSize": 1,
    "browser.gatherUsageStats": False,
    "client.allowedOrigins": [],
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "runner.magicEnabled": False,
    "theme.baseRadius": "0.5rem",
    "theme.baseFontSize": 15,
    "theme.metricValueFontSize": "1.4rem",
    "theme.paddingTop": "1.5rem",
    **{f"theme.light.{name}": value for name, value in _LIGHT.items()},
    **{f"theme.dark.{name}": value for name, value in _DARK.items()},
}
"""Streamlit's options; errors go to the log, so that no traceback reaches a browser.

Light or dark is the browser's choice.
"""


class Dashboard(st.App):
    """The ASGI application of the pages, which nobody opens without a session."""

    def __init__(self, host: str, login: LoginPage) -> None:
        super().__init__(APP)
        self._login = login
        self._guarded = PageGuard(self._shown, Pages.of(host))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guarded(scope, receive, send)

    async def _shown(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _asks_for_health(scope):
            await super().__call__(scope, receive, send)
        elif self._is_known(scope):
            if scope["type"] == "http" and scope["path"] == LOGOUT:
                await self._login.log_out(Request(scope))(scope, receive, send)
            elif scope["path"].startswith(SHUT):
                await refuse(scope, send, 404, b"There is nothing here.\n")
            else:
                await super().__call__(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse(scope, send, 401, NOBODY)
        else:
            answer = await self._ask(Request(scope, receive))
            await answer(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        """Whether the request is of a session, and not for the login page itself."""
        is_login = scope["type"] == "http" and scope["path"] == LOGIN
        return not is_login and self._login.admits(HTTPConnection(scope).cookies)

    async def _ask(self, request: Request) -> Response:
        """The login page; to whatever is no page, that nobody is logged in."""
        if request.url.path == LOGIN:
            return await self._login.answer(request)
        if "text/html" in request.headers.get("accept", ""):
            return to_login(request.url.path, request.url.query)
        return Response(NOBODY, 401, media_type="text/plain")


def _asks_for_health(scope: Scope) -> bool:
    is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
    return is_read and scope["path"] == HEALTH


def options(host: str, port: int) -> dict[str, object]:
    """Streamlit's whole configuration, by which it also checks websockets."""
    names = [name.decode().strip("[]") for name in Pages.of(host).names & LOOPBACK]
    where: dict[str, object] = {"server.address": host, "server.port": port}
    return OPTIONS | where | ({"server.allowedHosts": names} if names else {})


def main() -> None:
    parser = argparse.ArgumentParser(prog="modelyard.dashboard.server", description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    settings = load(DashboardSettings)
    token = settings.dashboard_token.get_secret_value()
    login = LoginPage(GatewayClient.at(settings.gateway_url), SESSIONS, token)
    Dashboard(given.host, login).run(config=options(given.host, given.port))


if __name__ == "__main__":
    main()
