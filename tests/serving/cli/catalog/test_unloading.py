"""`modelyard models unload` frees devices through their workers."""

import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.serving.cli.shell import Shell, keep_alive
from tests.serving.installation import TOKEN, Installation


@dataclass
class UnloadingWorker:
    """What a worker was told, by the installation's own token."""

    url: str
    told: list[str] = field(default_factory=list[str])


@pytest.fixture
def worker() -> Generator[UnloadingWorker]:
    told: list[str] = []

    class UnloadHandler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            told.append(self.path if known else "nobody")
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), UnloadHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield UnloadingWorker(f"http://127.0.0.1:{server.server_port}", told)
        server.shutdown()
        thread.join()


def test_the_workers_that_have_it_let_it_go(
    shell: Shell, installation: Installation, worker: UnloadingWorker
) -> None:
    """On one device or on all; where it is nowhere nobody is asked."""
    version = installation.filled.add("owner/name")
    for device in ("cpu-0", "cpu-1"):
        installation.worker(device, worker.url)
        installation.ready(version, worker.url, device)
    keep_alive(installation)
    assert "cpu-1" in shell.run("models", "unload", "owner/name", "--device", "cpu-1").said
    assert worker.told == [f"/engines/{version.id}"]
    assert "cpu-0, cpu-1" in shell.run("models", "unload", version.ref).said
    assert worker.told == [f"/engines/{version.id}"] * 3
    other = installation.filled.add("owner/other")
    assert "not loaded" in shell.run("models", "unload", other.ref).said
    assert shell.run("models", "unload", "owner/nobody").code == 4
