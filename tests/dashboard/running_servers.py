"""A real gateway over a real database with something to look at in it, and the dashboard."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from modelyard.registry.process.ports import choose_port

ROOT = Path(__file__).parents[2]
START_S = 120.0
PREFECT = "http://prefect.example"


@dataclass(slots=True)
class RestartableServer:
    """One server process on a port of its own, which it comes back to after a stop."""

    argv: list[str]
    health: str
    env: dict[str, str]
    log: Path
    port: int = field(default_factory=lambda: choose_port(0, ""))
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.argv, "--port", str(self.port)],
                cwd=ROOT,
                env={**os.environ, **self.env},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return httpx2.get(self.url + self.health, trust_env=False).is_success
        except httpx2.TransportError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None


def gateway(data: Path, secret: str) -> RestartableServer:
    """The gateway alone; the worker it is told of is never asked for anything."""
    env = {
        "MODELYARD_DATA_DIR": str(data),
        "MODELYARD_SECRET_KEY": secret,
        "MODELYARD_WORKER_ALIVE_S": "600",
        "MODELYARD_DISPATCH": "off",
    }
    app = ["-m", "uvicorn", "modelyard.serving.asgi:create_app", "--factory", "--host", "127.0.0.1"]
    return RestartableServer(app, "/health/live", env, data / "gateway.log")


def dashboard(data: Path, gateway_url: str) -> RestartableServer:
    env = {
        "MODELYARD_GATEWAY_URL": gateway_url,
        "MODELYARD_PREFECT_UI_URL": PREFECT,
        "MODELYARD_REFRESH_S": "0.5",
    }
    program = ["-c", "from tests.dashboard.running_servers import run_dashboard; run_dashboard()"]
    return RestartableServer(program, "/_stcore/health", env, data / "dashboard.log")


def run_dashboard() -> None:
    """`modelyard dashboard` with this process's arguments, without the other rooms' commands."""
    from modelyard.dashboard.cli import register
    from modelyard.registry.console import Commands

    commands = Commands()
    register(commands)
    commands.root(["dashboard", *sys.argv[1:]])
