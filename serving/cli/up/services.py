"""Which processes `modelyard up` keeps on one machine, and how each is started."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.registry.process.ports import LOOPBACK
from modelyard.registry.process.python import python_module
from modelyard.registry.web.authorization import basic, bearer
from modelyard.serving.cli.up.supervise import Service

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on

PREFECT_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
}
"""Prefect's telemetry is off, and nothing waits for a person's answer."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one `up`; gateway and dashboard listen on `host`, the others on loopback.

    The addresses are those for this machine, where an empty host and 0.0.0.0 mean loopback.
    """

    gateway: int
    dashboard: int
    prefect: int
    hub: int
    host: str = LOOPBACK

    @property
    def _here(self) -> str:
        return LOOPBACK if self.host in EVERY_ADDRESS else self.host

    @property
    def gateway_url(self) -> str:
        return f"http://{self._here}:{self.gateway}"

    @property
    def dashboard_url(self) -> str:
        return f"http://{self._here}:{self.dashboard}"

    @property
    def prefect_url(self) -> str:
        return f"http://127.0.0.1:{self.prefect}/api"

    @property
    def hub_url(self) -> str:
        return f"http://127.0.0.1:{self.hub}"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the doors of one `up` open to; children get theirs by environment, seen by nobody."""

    admin: str = field(repr=False)
    prefect: str = field(repr=False)
    metrics: str = field(repr=False)
    hub: str = field(repr=False)


def modelyard(*arguments: str) -> tuple[str, ...]:
    return python_module("modelyard.serving.cli.main", *arguments)


@dataclass(frozen=True, slots=True)
class LocalServices:
    """Every service of one machine; `shared` is part of each one's environment."""

    data: Path
    ports: Ports
    keys: Keys
    shared: Mapping[str, str] = field(repr=False)

    def hub(self) -> Service:
        url = f"{self.ports.hub_url}/api/models/modelyard/tiny-shakespeare-GGUF"
        return Service(
            "hub",
            python_module("modelyard.deployments.demo.hub", "--port", str(self.ports.hub)),
            url,
            {**self.shared, "MODELYARD_DEMO_HUB_TOKEN": self.keys.hub},
            authorization=bearer(self.keys.hub).decode(),
        )

    def all(self, devices: list[str]) -> list[Service]:
        """First those that others ask for."""
        return [
            self._prefect(),
            self._gateway(),
            *(self._worker(device) for device in devices),
            self._dashboard(),
            self._flows(),
        ]

    @property
    def prefect_client(self) -> dict[str, str]:
        """What a client of the Prefect server has to know."""
        return {
            "PREFECT_API_URL": self.ports.prefect_url,
            "PREFECT_API_AUTH_STRING": self.keys.prefect,
        }

    def _prefect(self) -> Service:
        argv = python_module("modelyard.flows.prefect.server", "--port", str(self.ports.prefect))
        env = {**self._prefect_env, "PREFECT_SERVER_API_AUTH_STRING": self.keys.prefect}
        url = f"{self.ports.prefect_url}/health"
        return Service("prefect", argv, url, env, authorization=self._prefect_header)

    def _gateway(self) -> Service:
        argv = modelyard("gateway", "--host", self.ports.host, "--port", str(self.ports.gateway))
        return Service("gateway", argv, f"{self.ports.gateway_url}/health/live", self.shared)

    def _worker(self, device: str) -> Service:
        url = f"{self.ports.gateway_url}/health/ready"
        return Service(
            f"worker-{device}", modelyard("worker", "--device", device), url, self.shared
        )

    def _dashboard(self) -> Service:
        argv = modelyard(
            "dashboard", "--host", self.ports.host, "--port", str(self.ports.dashboard)
        )
        env = {
            **self.shared,
            "MODELYARD_GATEWAY_URL": self.ports.gateway_url,
            "MODELYARD_PREFECT_UI_URL": self.ports.prefect_url.removesuffix("/api"),
        }
        return Service("dashboard", argv, f"{self.ports.dashboard_url}/_stcore/health", env)

    def _flows(self) -> Service:
        url = f"{self.ports.prefect_url}/deployments/name/ingest/ingest"
        env = {**self._prefect_env, **self.prefect_client}
        header = self._prefect_header
        return Service("flows", modelyard("flows"), url, env, authorization=header, last=True)

    @property
    def _prefect_env(self) -> dict[str, str]:
        home = str(self.data / "prefect")
        return {**self.shared, **PREFECT_QUIET, "PREFECT_HOME": home}

    @property
    def _prefect_header(self) -> str:
        return basic(self.keys.prefect).decode()
