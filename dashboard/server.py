"""The dashboard's server: Streamlit, which pages of other origins do not reach.

`python -m modelyard.dashboard.server --host 127.0.0.1 --port 8501`; what it shows is the settings'
to say.
"""

import argparse
from pathlib import Path

import streamlit as st

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
    "theme.base": "light",
    "theme.primaryColor": "#4f6bed",
    "theme.backgroundColor": "#ffffff",
    "theme.secondaryBackgroundColor": "#f5f6fa",
    "theme.textColor": "#1d2433",
    "theme.borderColor": "#e3e6ee",
    "theme.baseRadius": "0.5rem",
    "theme.baseFontSize": 15,
    "theme.metricValueFontSize": "1.4rem",
    "theme.paddingTop": "1.5rem",
}
"""Streamlit's options; errors go to the log, so that no traceback reaches a browser."""


class Dashboard(st.App):
    """The ASGI application of the pages; the login page checks who may see them."""

    def __init__(self, host: str) -> None:
        super().__init__(APP)
        self._guarded = PageGuard(self._shown, Pages.of(host))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guarded(scope, receive, send)

    async def _shown(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path", "").startswith(SHUT):
            await refuse(scope, send, 404, b"There is nothing here.\n")
        else:
            await super().__call__(scope, receive, send)


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
    Dashboard(given.host).run(config=options(given.host, given.port))


if __name__ == "__main__":
    main()
