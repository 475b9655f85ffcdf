"""How Streamlit is started: no telemetry, no file watcher, loopback, and our own look."""

import sys
from pathlib import Path

from dashboard.settings import DashboardSettings
from registry.ports import choose_port

APP = Path(__file__).with_name("app.py")
LOOPBACK = ("127.0.0.1", "localhost", "::1")

OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.enableXsrfProtection": "true",
    "server.enableCORS": "true",
    "server.maxUploadSize": "1",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "runner.magicEnabled": "false",
    "theme.base": "light",
    "theme.primaryColor": "#4f6bed",
    "theme.backgroundColor": "#ffffff",
    "theme.secondaryBackgroundColor": "#f5f6fa",
    "theme.textColor": "#1d2433",
    "theme.borderColor": "#e3e6ee",
    "theme.baseRadius": "0.5rem",
    "theme.baseFontSize": "15",
    "theme.metricValueFontSize": "1.4rem",
    "theme.paddingTop": "1.5rem",
}
"""Streamlit's own options; errors are for the log, so no traceback ever reaches a browser."""


def command(settings: DashboardSettings) -> list[str]:
    """The command line; `-P` keeps the working folder's files from shadowing libraries."""
    host = settings.dashboard_host
    port = choose_port(settings.dashboard_port, "--port", host)
    options = OPTIONS | {"server.address": host, "server.port": str(port)}
    flags = [f"--{name}={value}" for name, value in options.items()]
    # A page of a foreign site that resolves its name to loopback must not reach us.
    names = [f"--server.allowedHosts={name}" for name in LOOPBACK] if host in LOOPBACK else []
    return [sys.executable, "-P", "-m", "streamlit", "run", str(APP), *flags, *names]


def environment(settings: DashboardSettings) -> dict[str, str]:
    """What the page's own settings must be, whatever they came from."""
    return {
        "MODELYARD_GATEWAY_URL": settings.gateway_url,
        "MODELYARD_REFRESH_S": str(settings.refresh_s),
    }
