"""The configured Prefect is used, else that of `up`; it has to answer, and to let us in."""

import json
import os
import socket
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelyard.flows.errors import PrefectUnreachable
from modelyard.flows.prefect.address import Prefect, await_server, find, prepare
from modelyard.registry.web.authorization import basic

NOBODY = "http://127.0.0.1:9/api"
LOGIN = "modelyard:" + "s" * 64


class Healthy(BaseHTTPRequestHandler):
    """Answers as a Prefect server of ours does when it is asked for its health: not to anybody."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == basic(LOGIN).decode()
        self.send_response((200 if known else 401) if self.path == "/api/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def url() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    thread.join()
    server.server_close()


def up(data: Path, url: str) -> None:
    (data / "run").mkdir()
    told = {"prefect_url": url.removesuffix("/api"), "prefect_login": LOGIN}
    (data / "run" / "up.json").write_text(json.dumps(told))


@pytest.mark.parametrize("login", [LOGIN, "another:login", ""])
def test_the_configured_one_is_used(url: str, tmp_path: Path, login: str) -> None:
    """If it answers, with the login that is configured; whether that is right it says later."""
    assert find(url, login, tmp_path) == Prefect(url, login)


def test_that_of_up_is_found(url: str, tmp_path: Path) -> None:
    """Where none is configured, and where it is the one: with the login that lies beside it."""
    up(tmp_path, url)
    assert find("", "", tmp_path) == Prefect(url, LOGIN)
    assert find(url, "", tmp_path) == Prefect(url, LOGIN)
    assert find(url, "my:own", tmp_path) == Prefect(url, "my:own")


def test_the_login_of_up_goes_to_no_other_server(url: str, tmp_path: Path) -> None:
    """A server that is configured gets what is configured for it, and else nothing."""
    up(tmp_path, NOBODY)
    assert find(url, "", tmp_path) == Prefect(url, "")


def test_a_configured_one_that_is_away_is_an_error(url: str, tmp_path: Path) -> None:
    """The setting and the way out are named; no other server takes its place in silence."""
    up(tmp_path, url)
    with pytest.raises(PrefectUnreachable, match=f"PREFECT_API_URL={NOBODY}") as caught:
        find(NOBODY, "", tmp_path)
    assert "unset PREFECT_API_URL" in caught.value.fix


def test_the_flows_wait_for_a_server_that_starts_with_them(tmp_path: Path) -> None:
    """As long as they are told to, and no longer."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    with pytest.raises(PrefectUnreachable):
        await_server(address, "", tmp_path, 0)
    servers: list[ThreadingHTTPServer] = []

    def start() -> None:
        servers.append(ThreadingHTTPServer(("127.0.0.1", port), Healthy))
        servers[0].serve_forever()

    late = threading.Timer(0.7, start)
    late.start()
    assert await_server(address, LOGIN, tmp_path, 60) == Prefect(address, LOGIN)
    servers[0].shutdown()
    late.join()
    servers[0].server_close()


@pytest.mark.parametrize("content", ["{}", "half a doc"])
def test_nobody_is_found_where_nobody_is(tmp_path: Path, content: str) -> None:
    """A ready file that is broken or left over from a dead `up` names nobody."""
    assert find("", "", tmp_path) is None
    up(tmp_path, NOBODY)
    assert find("", "", tmp_path) is None
    (tmp_path / "run" / "up.json").write_text(content)
    assert find("", "", tmp_path) is None


def test_what_prefect_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, login and home; telemetry and servers that ask nobody are off before the import."""
    monkeypatch.setattr(os, "environ", {"PREFECT_API_URL": NOBODY})
    prepare(Prefect("http://127.0.0.1:4200/api", LOGIN), tmp_path)
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert os.environ["PREFECT_API_AUTH_STRING"] == LOGIN
    assert os.environ["PREFECT_HOME"] == str(tmp_path)
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["PREFECT_RUNNER_SERVER_ENABLE"] == "false"
    assert LOGIN not in repr(Prefect(NOBODY, LOGIN))
