"""A proxy of the environment is for other machines."""

import os
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import httpx2
import pytest

from modelyard.registry.process.proxies import reach_loopback_directly


class Here(BaseHTTPRequestHandler):
    """A server of this machine that answers every question."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def url() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Here) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("listed", ["", "corp.example, 10.0.0.0/8"])
def test_this_machine_is_reached_without_the_proxy(
    url: str, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clients that our libraries use; what was listed before stays listed."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, listed)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url)
    reach_loopback_directly()
    assert httpx2.get(url).status_code == 200
    assert urlopen(url).status == 200  # noqa: S310 - the address is ours
    assert set(listed.replace(" ", "").split(",")) - {""} <= set(os.environ["NO_PROXY"].split(","))


def test_nothing_is_added_where_nothing_is_proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    """`*` already means every address."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    reach_loopback_directly()
    assert os.environ["NO_PROXY"] == "*"
