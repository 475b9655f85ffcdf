"""Which processes `modelyard up` keeps on one machine, and how each is started."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.cli.supervise import Service

PREFECT_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
}
"""Prefect's telemetry is off, and nothing waits for a person's answer."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one `up`, all on loopback."""

    gateway: int
    dashboard: int
    prefect: int
    hub: int

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway}"

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.dashboard}"

    @property
    def prefect_url(self) -> str:
        return f"http://127.0.0.1:{self.prefect}/api"

    @property
    def hub_url(self) -> str:
        return f"http://127.0.0.1:{self.hub}"


def modelyard(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "serving.cli.main", *arguments)


def hub(ports: Ports) -> Service:
    argv = (sys.executable, "-m", "deployments.demo.hub", "--port", str(ports.hub))
    url = f"{ports.hub_url}/api/models/modelyard/tiny-shakespeare-GGUF"
    return Service("hub", argv, url)


def services(
    data: Path, ports: Ports, devices: list[str], extra: Mapping[str, str]
) -> list[Service]:
    """Every service of one machine, first those that others ask for.

    `extra` joins each environment: where the data lies, and a demo's own Hub.
    """
    env = {
        **extra,
        **PREFECT_QUIET,
        "PREFECT_HOME": str(data / "prefect"),
        "PREFECT_API_URL": ports.prefect_url,
        "MODELYARD_GATEWAY_URL": ports.gateway_url,
    }
    answers = {
        "prefect": f"{ports.prefect_url}/health",
        "gateway": f"{ports.gateway_url}/health/live",
        **{f"worker-{device}": f"{ports.gateway_url}/health/ready" for device in devices},
        "dashboard": f"{ports.dashboard_url}/_stcore/health",
        "flows": f"{ports.prefect_url}/deployments/name/ingest/ingest",
    }
    commands = _commands(ports, devices)
    return [
        Service(name, commands[name], url, env, last=name == "flows")
        for name, url in answers.items()
    ]


def _commands(ports: Ports, devices: list[str]) -> dict[str, tuple[str, ...]]:
    here = ("--host", "127.0.0.1")
    prefect = (sys.executable, "-m", "prefect", "server", "start", *here)
    return {
        "prefect": (*prefect, "--port", str(ports.prefect)),
        "gateway": modelyard("gateway", *here, "--port", str(ports.gateway)),
        **{f"worker-{device}": modelyard("worker", "--device", device) for device in devices},
        "dashboard": modelyard("dashboard", "--port", str(ports.dashboard)),
        "flows": modelyard("flows"),
    }
