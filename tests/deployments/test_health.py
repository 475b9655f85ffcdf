"""A health check fails where the service does not do its work."""

import json
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelyard.deployments.health import CHECKS, main
from modelyard.registry.web.authorization import basic

LOGIN = "modelyard:a@b/c#d"
Serve = Callable[[str], str]


@pytest.fixture
def serve() -> Generator[Serve]:
    """A Prefect that says this status of the deployment to whoever has its login."""
    status = ""

    class DeploymentStatus(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == basic(LOGIN).decode()
            body = json.dumps({"status": status}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), DeploymentStatus) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def answering(what: str) -> str:
            nonlocal status
            status = what
            return f"http://127.0.0.1:{server.server_port}/api"

        yield answering
        server.shutdown()
        thread.join()


def test_flows_work_where_prefect_is_asked_for_runs(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment that nobody serves any more is not ready; nor is a login that is refused."""
    monkeypatch.setenv("PREFECT_API_URL", serve("READY"))
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", LOGIN)
    assert CHECKS["flows"]() == ""
    serve("NOT_READY")
    assert "NOT_READY" in CHECKS["flows"]()
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "modelyard:wrong")
    monkeypatch.setattr("sys.argv", ["health", "flows"])
    with pytest.raises(SystemExit, match="flows: HTTP Error 401"):
        main()


def test_what_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the service and the reason, for `docker inspect`."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr("sys.argv", ["health", "flows"])
    with pytest.raises(SystemExit, match=r"flows: .*refused"):
        main()
