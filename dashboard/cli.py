"""`modelyard dashboard`: this process becomes the Streamlit server."""

import os
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from modelyard.registry.console import Commands
from modelyard.registry.errors import NotInstalled, how_to_install

EXAMPLES = """
[bold]Examples[/bold]

  modelyard dashboard                                  on http://127.0.0.1:8501

  modelyard dashboard --port 0                         on any free port

  modelyard dashboard --gateway-url http://gpu1:8080   for a gateway elsewhere
"""


def register(commands: Commands) -> None:
    commands.root.command(epilog=EXAMPLES)(dashboard)


def dashboard(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Usual: 8501; 0: any free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; usual: loopback.")] = None,
    gateway_url: Annotated[str | None, typer.Option(help="The gateway to show.")] = None,
) -> None:
    """Serve the dashboard: devices, models and lifecycle runs, behind a login."""
    if find_spec("streamlit") is None:
        raise NotInstalled("The dashboard is not installed.", fix=how_to_install("dashboard"))
    from modelyard.dashboard.launch import HOME, command, environment
    from modelyard.dashboard.settings import DashboardSettings
    from modelyard.registry.settings import load

    given: dict[str, Any] = {
        "dashboard_port": port,
        "dashboard_host": host,
        "gateway_url": gateway_url,
    }
    settings = load(DashboardSettings, **{k: v for k, v in given.items() if v is not None})
    argv = command(settings)
    env = os.environ | environment(settings)
    os.chdir(HOME)
    os.execve(argv[0], argv, env)  # noqa: S606 - so that signals reach the server
