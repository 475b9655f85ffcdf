"""Names become commits, and every way to fail says what to do."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelyard.flows.errors import (
    AccessRestricted,
    HubUnreachable,
    UnknownRepository,
    UnknownRevision,
)
from modelyard.flows.steps.hub.hub import HubClient
from modelyard.flows.steps.hub.resolve import resolve, restricted
from modelyard.registry.errors import InvalidName


def test_a_snapshot_has_the_commit_the_files_and_the_card(
    hub: HubClient, publish: Callable[..., None]
) -> None:
    """One question to the Hub answers everything that choosing needs."""
    files = {"m-q8_0.gguf": b"weights", "README.md": b"# M"}
    publish("ada/m", files, card_data={"license": "mit"}, tags=["gguf"])
    snapshot = resolve(hub, "ada/m", "main")
    by_path = {file.path: file for file in snapshot.files}
    assert len(snapshot.commit) == 40
    assert snapshot.licence == "mit"
    assert by_path["m-q8_0.gguf"].sha256 is not None
    assert by_path["README.md"].sha256 is None
    assert by_path["README.md"].size == 3


def test_a_custom_licence_goes_by_its_own_name(
    hub: HubClient, publish: Callable[..., None]
) -> None:
    """`other` says nothing; the name beside it does."""
    publish("ada/m", {}, card_data={"license": "other", "license_name": "llama3.1"})
    assert resolve(hub, "ada/m", "main").licence == "llama3.1"


def test_an_unknown_repository_ends_with_code_4(hub: HubClient) -> None:
    """A missing and a hidden repository look the same, so the way out names both."""
    with pytest.raises(UnknownRepository, match="ada/none") as caught:
        resolve(hub, "ada/none", "main")
    assert caught.value.exit_code == 4
    assert "HF_TOKEN" in caught.value.fix


def test_an_unknown_revision_names_it(hub: HubClient, publish: Callable[..., None]) -> None:
    """The repository is there; the revision is what is wrong."""
    publish("ada/m", {"a.gguf": b"x"})
    with pytest.raises(UnknownRevision, match="'v9'"):
        resolve(hub, "ada/m", "v9")


@pytest.mark.parametrize("repo", ["", "a/b/c", "../etc", "a b", "ada/m.git", "a--b/c", "-x/y"])
def test_an_impossible_name_never_reaches_the_hub(repo: str) -> None:
    """What is no name is refused before anything is asked."""
    with pytest.raises(InvalidName):
        resolve(HubClient("http://127.0.0.1:9"), repo, "main")


def test_a_wrong_token_is_told_apart_from_a_missing_repository(
    hub: HubClient, publish: Callable[..., None]
) -> None:
    """A token that the Hub refuses is the thing to mend."""
    publish("ada/m", {"a.gguf": b"x"})
    with pytest.raises(AccessRestricted, match="token"):
        resolve(HubClient(hub.endpoint, token="hf_wrong"), "ada/m", "main")


def test_gated_says_where_to_accept_the_terms() -> None:
    """The page of the model and the variable for the token are both named."""
    error = restricted(HubClient("https://hub.example"), "ada/m")
    assert "https://hub.example/ada/m" in error.fix
    assert "HF_TOKEN" in error.fix


def test_nobody_listening_is_unreachable() -> None:
    """No network is told as such, after the bounded tries."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, never listening
        hub = HubClient(f"http://127.0.0.1:{held.getsockname()[1]}", attempts=2, backoff_s=0.01)
        with pytest.raises(HubUnreachable) as caught:
            resolve(hub, "ada/m", "main")
    assert caught.value.exit_code == 10


@contextmanager
def always(status: int) -> Generator[tuple[str, list[str]]]:
    """A Hub that answers every question with one status; yields its address and the questions."""
    asked: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Retry-After", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hub_in_trouble_is_asked_a_bounded_number_of_times() -> None:
    """503 may pass; after the set attempts it is told, with the status."""
    with always(503) as (url, asked), pytest.raises(HubUnreachable, match="503"):
        resolve(HubClient(url, attempts=3, backoff_s=0.01), "ada/m", "main")
    assert len(asked) == 3


def test_a_refusal_that_will_not_pass_is_not_asked_again() -> None:
    """A 400 stays a 400."""
    with always(400) as (url, asked), pytest.raises(HubUnreachable, match="400"):
        resolve(HubClient(url, attempts=3, backoff_s=0.01), "ada/m", "main")
    assert len(asked) == 1


def test_a_hub_that_must_not_be_asked_is_told_by_its_variable(hub: HubClient) -> None:
    """HF_HUB_OFFLINE is read when the Hub's library is imported: so in a process of its own."""
    code = (
        "import sys; from modelyard.flows.steps.hub.hub import HubClient\n"
        "from modelyard.flows.steps.hub.resolve import resolve\n"
        "from modelyard.flows.errors import HubUnreachable\n"
        "try: resolve(HubClient(sys.argv[1]), 'ada/m', 'main')\n"
        "except HubUnreachable as error: print(error.fix)"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    argv = [sys.executable, "-c", code, hub.endpoint]
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert "Unset HF_HUB_OFFLINE" in ended.stdout, ended.stderr
