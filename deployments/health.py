"""Tells docker compose whether a service of ours works: exits with 0 or 1, and says why not.

`python -m modelyard.deployments.health SERVICE`, in the container of that service.
"""

import json
import os
import socket
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

WORKER_PORT = 8081
PATIENCE_S = 5.0


def main() -> None:
    name = sys.argv[1]
    try:
        problem = CHECKS[name]()
    except (OSError, ValueError) as error:
        problem = str(error) or type(error).__name__
    if problem:
        sys.exit(f"{name}: {problem}")


def _answers(path: str) -> str:
    _get(f"http://127.0.0.1:{path}")  # raises an OSError unless it is 200
    return ""


def _worker() -> str:
    """It asks everybody for a token, which no check needs to know: that it listens is enough."""
    address = socket.gethostbyname(socket.gethostname())
    with socket.create_connection((address, WORKER_PORT), PATIENCE_S):
        return ""


def _flows() -> str:
    """Prefect knows whether somebody serves the deployment: it is asked for runs every 10 s."""
    url = f"{os.environ['PREFECT_API_URL']}/deployments/name/ingest/ingest"
    login = b64encode(os.environ.get("PREFECT_API_AUTH_STRING", "").encode()).decode()
    status = json.loads(_get(url, {"Authorization": f"Basic {login}"}))["status"]
    return "" if status == "READY" else f"the deployment ingest/ingest is {status}"


def _get(url: str, headers: Mapping[str, str] | None = None) -> Any:
    request = Request(url, headers=dict(headers or {}))  # noqa: S310 - addresses of compose
    with build_opener(ProxyHandler({})).open(request, timeout=PATIENCE_S) as answer:
        return answer.read()


CHECKS: Mapping[str, Callable[[], str]] = {
    "gateway": lambda: _answers("8080/health/live"),
    "worker": _worker,
    "flows": _flows,
    "dashboard": lambda: _answers("8501/_stcore/health"),
    "prefect": lambda: _answers("4200/api/health"),
    "mlflow": lambda: _answers("5000/health"),
}


if __name__ == "__main__":
    main()
