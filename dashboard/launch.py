"""The dashboard server's command line and environment."""

from pathlib import Path

from modelyard.dashboard.settings import DashboardSettings
from modelyard.registry.process.ports import choose_port
from modelyard.registry.process.python import python_module
from modelyard.registry.secrets import known_dashboard_token
from modelyard.registry.settings import RegistrySettings, config_file, load

HOME = Path(__file__).parent
"""The server's working directory: Streamlit reads settings and secrets from there."""


def command(settings: DashboardSettings) -> list[str]:
    """The server's command line, with a port that is free."""
    host = settings.dashboard_host
    port = choose_port(settings.dashboard_port, "--port", host)
    return [*python_module("modelyard.dashboard.server", "--host", host, "--port", str(port))]


def environment(settings: DashboardSettings) -> dict[str, str]:
    """The environment that gives the pages the settings of this process."""
    file = config_file()
    return {
        **({"MODELYARD_CONFIG": str(file.absolute())} if file.is_file() else {}),
        "MODELYARD_GATEWAY_URL": settings.gateway_url,
        "MODELYARD_PREFECT_UI_URL": settings.prefect_ui_url,
        "MODELYARD_MLFLOW_UI_URL": settings.mlflow_ui_url,
        "MODELYARD_REFRESH_S": str(settings.refresh_s),
        "MODELYARD_DASHBOARD_TOKEN": known_dashboard_token(load(RegistrySettings)),
    }
