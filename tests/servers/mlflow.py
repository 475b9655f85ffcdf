"""A real MLflow server on loopback, and a proxy before it that can be shut at any request."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2

from modelyard.registry.process.ports import choose_port

_START_S = 120.0
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@dataclass(slots=True)
class MlflowServer:
    """A server on a database that outlives it."""

    port: int
    _process: "subprocess.Popen[str]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._order("start")
        deadline = time.monotonic() + _START_S
        while not self.answers():
            assert time.monotonic() < deadline, "MLflow does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        self._order("kill")

    def answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", timeout=60).is_success
        except httpx2.HTTPError:
            return False

    def _order(self, word: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"


@contextmanager
def running_mlflow(folder: Path) -> Generator[MlflowServer]:
    """Start a server on a new SQLite database; yields it with its tables made."""
    port = choose_port(0, "")
    argv = [sys.executable, "-W", "ignore", "-m", "tests.servers.mlflow_forks"]
    process = subprocess.Popen(
        [*argv, str(port), f"sqlite:///{folder / 'mlflow.db'}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **_QUIET},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    server = MlflowServer(port, process)
    server.start()
    try:
        search = f"{server.url}/api/2.0/mlflow/registered-models/search"
        httpx2.get(search, timeout=240).raise_for_status()
        yield server
    finally:
        server.kill()
        process.communicate(timeout=60)


@dataclass(slots=True)
class MlflowProxy:
    """What is asked of a server goes through here; what changes something there is written down."""

    server: MlflowServer
    url: str = ""
    changes: list[str] = field(default_factory=list[str])
    kill_at: "tuple[int, bool] | None" = None
    """Kill the server at the change of that number: once it is done and unanswered, or before."""

    def note(self, method: str, path: str) -> int:
        """The number of a change, from 1 on; 0 for what changes nothing."""
        if method == "GET" or path.endswith("/search"):
            return 0
        self.changes.append(path)
        return len(self.changes)

    def strikes(self, number: int, *, done: bool) -> bool:
        """Whether this is the moment; the server is dead then."""
        if (number, done) != self.kill_at:
            return False
        self.server.kill()
        self.kill_at = None
        return True


@contextmanager
def proxy_before(server: MlflowServer) -> Generator[MlflowProxy]:
    proxy = MlflowProxy(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            number = proxy.note(self.command, self.path.partition("?")[0])
            if (
                proxy.strikes(number, done=False)
                or (answer := self._asked(body)) is None
                or proxy.strikes(number, done=True)
            ):
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("content-type", ""))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def _asked(self, body: bytes) -> httpx2.Response | None:
            kept = {k: v for k, v in self.headers.items() if k.lower() == "content-type"}
            try:
                return httpx2.request(
                    self.command, server.url + self.path, content=body, headers=kept, timeout=240
                )
            except httpx2.TransportError:
                return None  # it is dead: so is the connection

        do_GET = do_POST = do_PATCH = do_DELETE = _pass  # noqa: N815 - the names http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
