"""A wrong address of a gateway is told as such."""

import re
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from modelyard.registry.errors import ModelyardError, SettingsInvalid
from modelyard.registry.settings import load
from modelyard.serving.cli.connection import GatewayConnection
from modelyard.serving.cli.settings import ClientSettings


class WelcomePage(BaseHTTPRequestHandler):
    """Some other server: it answers everything with a page."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/lost" else 200)
        self.end_headers()
        self.wfile.write(b"<html>Welcome</html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def other_server() -> Generator[str]:
    with HTTPServer(("127.0.0.1", 0), WelcomePage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("address", ["gpu1:8080", "http://", "http://gpu1:8080/v1", "x"])
def test_what_is_no_address_of_a_gateway_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """An OpenAI client's base URL ends with /v1; commands want what stands before it."""
    monkeypatch.setenv("MODELYARD_GATEWAY_URL", address)
    with pytest.raises(SettingsInvalid, match=re.escape(f"MODELYARD_GATEWAY_URL='{address}'")):
        load(ClientSettings)


@pytest.mark.parametrize("path", ["/lost", "/page"])
def test_another_server_at_the_address_is_named(other_server: str, path: str) -> None:
    """Whatever it answers; a password in the address stays unsaid."""
    gateway = GatewayConnection(f"http://me:hush@{other_server}", "key")
    with pytest.raises(ModelyardError) as refused:
        gateway.ask("GET", path)
    assert f"{other_server}/ answered" in str(refused.value)
    assert "hush" not in str(refused.value)
