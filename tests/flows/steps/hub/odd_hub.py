"""A server that answers in the Hub's place as a test says, on a port of its own."""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Write = Callable[[bytes], object]
Body = bytes | Callable[[Write], None]
Answer = tuple[int, Mapping[str, str], Body]


@dataclass(frozen=True, slots=True)
class AskedFor:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OddHub:
    """Its address, and what it was asked."""

    url: str
    asked: list[AskedFor] = field(default_factory=list[AskedFor])


@contextmanager
def odd_hub(answer: Callable[[AskedFor], Answer]) -> Generator[OddHub]:
    """Answer each request; bytes get their Content-Length, what writes by itself says its own."""
    asked: list[AskedFor] = []

    class OddHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one = AskedFor(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
            asked.append(one)
            status, headers, body = answer(one)
            self.send_response(status)
            if isinstance(body, bytes):
                self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                with suppress(OSError):  # whoever asked has had enough
                    self._write(body)

        do_HEAD = do_GET  # noqa: N815 - the base's name

        def _write(self, body: Body) -> None:
            if isinstance(body, bytes):
                self.wfile.write(body)
            else:
                body(self.wfile.write)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), OddHandler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield OddHub(f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
