"""A worker's control port that lets go of whatever version it is told to."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class UnloadingWorker:
    """What a worker was told, by the installation's own token."""

    url: str
    told: list[str] = field(default_factory=list[str])


@contextmanager
def unloading_worker(token: str) -> Generator[UnloadingWorker]:
    told: list[str] = []

    class UnloadHandler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            known = self.headers["Authorization"] == f"Bearer {token}"
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
