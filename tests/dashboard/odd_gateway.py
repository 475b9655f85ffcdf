"""A gateway that answers whatever a test wants, for what the real one never does."""

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(slots=True)
class Answers:
    """What every request gets, and the headers that came with the last one."""

    status: int = 200
    body: bytes = b"{}"
    delay_s: float = 0.0
    url: str = ""
    seen: dict[str, str] = field(default_factory=dict[str, str])


@contextmanager
def odd_gateway() -> Generator[Answers]:
    """Serve on a free port of loopback."""
    answers = Answers()

    class OddGatewayHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.seen = dict(self.headers.items())
            time.sleep(answers.delay_s)
            with suppress(BrokenPipeError):  # a client that did not wait
                self.send_response(answers.status)
                self.send_header("Content-Length", str(len(answers.body)))
                self.end_headers()
                self.wfile.write(answers.body)

        do_POST = do_GET  # noqa: N815 - the library's own name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), OddGatewayHandler)
    answers.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
