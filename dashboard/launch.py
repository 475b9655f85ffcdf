"""How the dashboard's server is started, and what its pages are told."""

from pathlib import Path

from modelyard.dashboard.settings import DashboardSettings
from modelyard.registry.ports import choose_port
from modelyard.registry.process.python import python_module
from modelyard.registry.settings import config_file

HOME = Path(__file__).parent
"""Where the server stands: Streamlit reads settings and secrets of the folder it is started in."""


def command(settings: DashboardSettings) -> list[str]:
    """The command line of the server, on a port that is free."""
    host = settings.dashboard_host
    port = choose_port(settings.dashboard_port, "--port", host)
    return [*python_module("modelyard.dashboard.server", "--host", host, "--port", str(port))]


def environment(settings: DashboardSettings) -> dict[str, str]:
    """What the page's own settings must be, whatever and wherever they came from."""
    return {
        "MODELYARD_CONFIG": str(config_file().absolute()),
        "MODELYARD_GATEWAY_URL": settings.gateway_url,
        "MODELYARD_REFRESH_S": str(settings.refresh_s),
    }
