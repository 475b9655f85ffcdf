"""The configured Prefect is used, else that of `up`; one that is configured has to answer."""

import json
import os
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flows.errors import PrefectUnreachable
from flows.prefect_address import find, prepare

NOBODY = "http://127.0.0.1:9/api"


class Healthy(BaseHTTPRequestHandler):
    """Answers as a Prefect server does when asked for its health."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
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
    (data / "run" / "up.json").write_text(json.dumps({"prefect_url": url.removesuffix("/api")}))


def test_the_configured_one_is_used(url: str, tmp_path: Path) -> None:
    """If it answers."""
    assert find(url, tmp_path) == url


def test_that_of_up_is_found(url: str, tmp_path: Path) -> None:
    """Where none is configured."""
    up(tmp_path, url)
    assert find("", tmp_path) == url


def test_a_configured_one_that_is_away_is_an_error(url: str, tmp_path: Path) -> None:
    """The setting and the way out are named; no other server takes its place in silence."""
    up(tmp_path, url)
    with pytest.raises(PrefectUnreachable, match=f"PREFECT_API_URL={NOBODY}") as caught:
        find(NOBODY, tmp_path)
    assert "unset PREFECT_API_URL" in caught.value.fix


@pytest.mark.parametrize("content", ["{}", "half a doc"])
def test_nobody_is_found_where_nobody_is(tmp_path: Path, content: str) -> None:
    """A ready file that is broken or left over from a dead `up` names nobody."""
    assert find("", tmp_path) is None
    up(tmp_path, NOBODY)
    assert find("", tmp_path) is None
    (tmp_path / "run" / "up.json").write_text(content)
    assert find("", tmp_path) is None


def test_without_an_address_prefect_gets_a_home_for_its_own_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And telemetry is off before Prefect is imported."""
    monkeypatch.setattr(os, "environ", {"PREFECT_API_URL": NOBODY})
    prepare(None, tmp_path)
    assert "PREFECT_API_URL" not in os.environ
    assert Path(os.environ["PREFECT_HOME"]).is_dir()
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
