"""Who listens in one `up`, what each can be asked, and the few things that anybody may ask."""

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx2
import psutil
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Route

from modelyard.deployments.demo.hub import BUNDLED, make_app
from modelyard.registry.process.python import python_module
from modelyard.registry.secrets import internal_token
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.web.authorization import basic, bearer
from modelyard.serving.asgi import create_app
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.process.application import EngineApplication
from modelyard.serving.settings import GatewaySettings
from modelyard.serving.worker.control import Control
from tests.acceptance.conftest import RunningInstance
from tests.servers.listening import ListeningSocket, listeners

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
NOWHERE = (
    "/",
    "/nothing/here",
    "/docs",
    "/openapi.json",
    "/metrics",
    "//api/health",
    "/API/health",
)

OPEN: dict[str, dict[tuple[str, str], str]] = {
    "gateway": {
        ("POST", "/api/v1/login"): "the login itself",
        **{
            (method, path): why
            for method in ("GET", "HEAD")
            for path, why in (
                ("/health", "says that the process answers"),
                ("/health/live", "the same"),
                ("/health/ready", "says whether there is a worker"),
            )
        },
    },
    "prefect": {("GET", "/api/health"): "`true`; Prefect's page asks it before it shows the login"},
    "dashboard": {
        ("GET", "/_stcore/health"): "`ok`",
        ("HEAD", "/_stcore/health"): "the same",
        ("GET", "/login"): "the login page",
        ("POST", "/login"): "the login itself",
    },
}
"""By name, with the reason; beside these are only the files of Prefect's page."""

_STREAMLITS_ROUTES = """
import json
from modelyard.dashboard.server import Dashboard
app = Dashboard("127.0.0.1", None)._build_starlette_app()
print(json.dumps([r.path for r in app.routes if r.path]))
"""


@dataclass(frozen=True, slots=True)
class OpenPort:
    """One listening port: whose it is, what opens it, and every path that it knows."""

    name: str
    listener: ListeningSocket
    credential: bytes = field(repr=False)
    paths: tuple[str, ...] = field(repr=False)

    def client(self, credential: bytes = b"", **headers: str) -> httpx2.Client:
        told = [(k.encode(), v.encode()) for k, v in headers.items()]
        told += [(b"authorization", credential)] if credential else []
        return httpx2.Client(base_url=self.listener.url, headers=told, timeout=120, trust_env=False)

    def exactly(self, path: str) -> httpx2.URL:
        """The address of a path as it is written: the client would tidy some up."""
        return httpx2.URL(self.listener.url).copy_with(raw_path=path.encode())

    def is_page(self, method: str, path: str) -> bool:
        """Whether it is a file of a page that asks people to log in."""
        if method not in ("GET", "HEAD"):
            return False
        closed = path.startswith("/api/") or path in ("/docs", "/openapi.json")
        return self.name == "prefect" and not closed


def name_of(up: RunningInstance, pid: int) -> str:
    """The name of the service that a process of `up` is, or belongs to."""
    names = {pid: name for name, pid in up.facts["pids"].items()}
    return names.get(pid) or f"{names[psutil.Process(pid).ppid()]}'s engine"


def doors(up: RunningInstance) -> dict[str, OpenPort]:
    """Every HTTP port of `up`, found from the kernel; the flows' port speaks no HTTP."""
    found = {name_of(up, one.pid): one for one in listeners(up.process.pid)}
    internal = bearer(internal_token((up.data / "secret.key").read_text().strip()))
    facts = up.facts
    known: dict[str, tuple[bytes, Iterable[str]]] = {
        "gateway": (bearer(facts["admin_key"]), _gateway_paths(up.data)),
        "prefect": (basic(facts["prefect_login"]), _prefect_paths(facts)),
        "dashboard": (b"", _dashboard_paths()),
        "hub": (bearer(facts["hub_token"]), _paths(_hub_routes())),
        "worker-cpu-0": (internal, _paths(Control(cast("Any", None), "t", "m").app().routes)),
        "worker-cpu-0's engine": (internal, _paths(_engine_routes())),
    }
    return {
        name: OpenPort(name, found[name], credential, (*sorted(set(paths)), *NOWHERE))
        for name, (credential, paths) in known.items()
    }


def _gateway_paths(data: Path) -> Iterable[str]:
    app = create_app(GatewaySettings(), RegistrySettings(data_dir=data))
    return [_filled(str(context.path)) for context in iter_route_contexts(app.routes)]


def _prefect_paths(facts: dict[str, Any]) -> Iterable[str]:
    login = {"Authorization": basic(facts["prefect_login"]).decode()}
    whole = httpx2.get(f"{facts['prefect_url']}/openapi.json", headers=login, timeout=60).json()
    pages = ("/ui-settings", "/v2/deployments", "/api", "/api/openapi.json", "/api/docs")
    return [*pages, *(f"/api{_filled(path)}" for path in whole["paths"])]


def _dashboard_paths() -> Iterable[str]:
    """Asked in another process: Streamlit has one runtime in each."""
    argv = [*python_module("x")[:2], "-c", _STREAMLITS_ROUTES]
    told = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=240)
    return ["/login", *(_filled(path) for path in json.loads(told.stdout.splitlines()[-1]))]


def _hub_routes() -> Iterable[BaseRoute]:
    return make_app(BUNDLED, frozenset(), faults=True, members="m").routes


def _engine_routes() -> Iterable[BaseRoute]:
    config = EngineConfig(
        version_id="v", model_name="m", format="mock", path="p", internal_token="t" * 16
    )
    return EngineApplication(cast("Any", None), config, {}).build().routes


def _paths(routes: Iterable[BaseRoute]) -> Iterable[str]:
    return [_filled(route.path) for route in routes if isinstance(route, Route)]


def _filled(path: str) -> str:
    return re.sub(r"{[^}]*}", "x", path)
