"""A download survives every break, and what is not what the Hub promised is never kept."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelyard.flows.errors import AccessRestricted, HubUnreachable, NoMatchingFile
from modelyard.flows.steps.hub import download
from modelyard.flows.steps.hub.hub import HubClient, RemoteFile, open_client
from modelyard.registry.errors import FileCorrupt, StorageFull
from modelyard.registry.store import Store
from tests.deployments.hub_process import RunningHub as HubProcess
from tests.flows.conftest import Desk

SIZE = 2_000_000
WEIGHTS = random.Random(3).randbytes(SIZE)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
PARTS = "incoming/*.part"


@pytest.fixture(autouse=True)
def _published(publish: Callable[..., None]) -> None:
    publish("ada/m", {"m.gguf": WEIGHTS, "README.md": b"# M\n", "empty.gguf": b""})


def held(store: Store) -> bytes:
    return store.path(SHA256).read_bytes()


def parts(store: Store) -> list[Path]:
    return list(store.root.glob(PARTS))


def test_a_file_arrives_whole(desk: Desk, store: Store) -> None:
    """The store holds exactly the Hub's bytes, under their hash, and no part."""
    told: list[int] = []
    assert desk.fetch("ada/m", "m.gguf", told.append) == SHA256
    assert held(store) == WEIGHTS
    assert parts(store) == []
    assert told == sorted(told)
    assert told[-1] == SIZE


def test_an_empty_file_is_a_file(desk: Desk) -> None:
    """Nothing to transfer is not an error."""
    assert desk.fetch("ada/m", "empty.gguf") == hashlib.sha256(b"").hexdigest()


def test_what_is_here_is_not_fetched_again(desk: Desk, sent: Callable[[], int]) -> None:
    """The second time costs no bytes, for files in LFS and for files in git."""
    for path in ("m.gguf", "README.md"):
        desk.fetch("ada/m", path)
    first = sent()
    for path in ("m.gguf", "README.md"):
        desk.fetch("ada/m", path)
    assert first == SIZE + 4
    assert sent() == first


@pytest.mark.parametrize("percent", range(5, 100, 5))
def test_a_cut_connection_continues_where_it_broke(
    desk: Desk, hub_process: HubProcess, sent: Callable[[], int], store: Store, percent: int
) -> None:
    """At every twentieth of the file: nothing is sent twice, and the content is right."""
    hub_process.fault(cut_after=SIZE * percent // 100, path="m.gguf")
    desk.fetch("ada/m", "m.gguf")
    assert held(store) == WEIGHTS
    assert sent() <= SIZE * 1.01


@pytest.mark.parametrize("percent", range(5, 100, 5))
def test_a_stopped_process_is_continued_by_the_next(desk: Desk, store: Store, percent: int) -> None:
    """At every twentieth of the file: the part on disk is the beginning of the next run."""

    def stop(done: int) -> None:
        if done >= SIZE * percent // 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.fetch("ada/m", "m.gguf", stop)
    assert not store.has(SHA256)
    (part,) = parts(store)
    begun = part.stat().st_size
    assert begun >= SIZE * percent // 100
    told: list[int] = []
    desk.fetch("ada/m", "m.gguf", told.append)
    assert told[0] > begun
    assert held(store) == WEIGHTS


def test_many_cuts_do_not_use_up_the_attempts(
    desk: Desk, hub_process: HubProcess, store: Store
) -> None:
    """Tries that bring something are not counted: only standing still is."""
    hub_process.fault(cut_after=SIZE // 20, times=19, path="m.gguf")
    desk.fetch("ada/m", "m.gguf")
    assert held(store) == WEIGHTS


def test_a_hub_that_stands_still_is_given_up(desk: Desk, hub_process: HubProcess) -> None:
    """The attempts are bounded, and the error says that the same command continues."""
    hub_process.fault(status=500, times=10, path="m.gguf")
    with pytest.raises(HubUnreachable, match="500") as caught:
        desk.fetch("ada/m", "m.gguf")
    assert "continues" in caught.value.fix


def test_retry_after_is_honoured(desk: Desk, hub_process: HubProcess, store: Store) -> None:
    """A 503 that asks for a second gets its second."""
    hub_process.fault(status=503, retry_after=1, path="m.gguf")
    begun = time.monotonic()
    desk.fetch("ada/m", "m.gguf")
    assert time.monotonic() - begun >= 1.0
    assert held(store) == WEIGHTS


def test_a_hub_that_asks_for_an_hour_is_told_as_down(desk: Desk, hub_process: HubProcess) -> None:
    """Nobody watches a command sleep for an hour."""
    hub_process.fault(status=429, retry_after=3600, path="m.gguf")
    with pytest.raises(HubUnreachable, match="429"):
        desk.fetch("ada/m", "m.gguf")


def test_a_body_that_ends_early_is_continued(
    desk: Desk, hub_process: HubProcess, store: Store
) -> None:
    """A proper end of a truncated body is a break like any other."""
    hub_process.fault(truncate_to=SIZE // 3, path="m.gguf")
    desk.fetch("ada/m", "m.gguf")
    assert held(store) == WEIGHTS


def test_one_wrong_copy_is_thrown_away_and_fetched_anew(
    desk: Desk, hub_process: HubProcess, store: Store
) -> None:
    """A bad cache on the way gets one more chance."""
    hub_process.fault(flip_at=SIZE // 2, path="m.gguf")
    desk.fetch("ada/m", "m.gguf")
    assert held(store) == WEIGHTS


@pytest.mark.parametrize("path", ["m.gguf", "README.md"])
def test_two_wrong_copies_are_an_error_that_leaves_nothing(
    desk: Desk, hub_process: HubProcess, store: Store, path: str
) -> None:
    """LFS files are held against their sha256, files in git against git's sha1."""
    hub_process.fault(flip_at=1, times=2, path=path)
    with pytest.raises(FileCorrupt, match=path) as caught:
        desk.fetch("ada/m", path)
    assert caught.value.exit_code == 8
    assert parts(store) == []
    assert not any(store.root.glob("objects/*/*"))


def test_a_part_with_other_content_is_started_over(desk: Desk, store: Store) -> None:
    """A damaged part fails its hash at the end, and the file still arrives."""
    file = next(f for f in desk.snapshot("ada/m").files if f.path == "m.gguf")
    store.incoming(download.part_key(file)).write_bytes(b"x" * 1000)
    desk.fetch("ada/m", "m.gguf")
    assert held(store) == WEIGHTS


def test_a_part_longer_than_the_file_is_started_over(desk: Desk, store: Store) -> None:
    """No range begins beyond the end."""
    file = next(f for f in desk.snapshot("ada/m").files if f.path == "m.gguf")
    store.incoming(download.part_key(file)).write_bytes(b"x" * (SIZE + 1))
    desk.fetch("ada/m", "m.gguf")
    assert held(store) == WEIGHTS


def test_a_full_store_is_told_before_a_byte_is_fetched(
    desk: Desk, tmp_path: Path, sent: Callable[[], int]
) -> None:
    """The bound of the store and the room on the disk are looked at first."""
    for small in (
        Store(tmp_path / "bound", SIZE // 2),
        Store(tmp_path / "disk", 10**9, free_bytes=lambda _: SIZE // 2),
    ):
        with pytest.raises(StorageFull) as caught:
            replace(desk, store=small).fetch("ada/m", "m.gguf")
        assert caught.value.exit_code == 7
    assert sent() == 0


def test_gated_files_need_a_token(desk: Desk, publish: Callable[..., None]) -> None:
    """Metadata is public, files are not: the error says what to accept and set."""
    publish("ada/gated", {"m.gguf": b"secret"}, gated="auto")
    with pytest.raises(AccessRestricted, match="gated") as caught:
        desk.fetch("ada/gated", "m.gguf")
    assert "HF_TOKEN" in caught.value.fix
    member = replace(desk, hub=replace(desk.hub, token="hf_reader"))
    assert member.fetch("ada/gated", "m.gguf")


def test_a_file_that_vanished_is_named(desk: Desk, hub_process: HubProcess) -> None:
    """The commit we know may be gone from the Hub."""
    snapshot = desk.snapshot("ada/m")
    (hub_process.root / "ada/m/m.gguf").unlink()
    with open_client(desk.hub) as client, pytest.raises((NoMatchingFile, HubUnreachable)):
        download.Downloader(desk.hub, desk.store, desk.results, client, snapshot).fetch(
            RemoteFile("m.gguf", SIZE, "0" * 40, SHA256), lambda _: None
        )


def test_the_token_stays_with_the_hub(hub: HubClient) -> None:
    """A redirect to another host does not carry our token along."""
    import httpx2

    seen: dict[str, str | None] = {}

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen[request.url.host] = request.headers.get("authorization")
        if request.url.host == "hub.example":
            return httpx2.Response(302, headers={"Location": "https://cdn.example/file"})
        return httpx2.Response(200)

    ours = open_client(HubClient("https://hub.example", token="hf_secret"))
    with httpx2.Client(
        headers=ours.headers,
        follow_redirects=ours.follow_redirects,
        transport=httpx2.MockTransport(answer),
    ) as client:
        client.get("https://hub.example/ada/m/resolve/main/m.gguf")
    ours.close()
    assert seen == {"hub.example": "Bearer hf_secret", "cdn.example": None}


CHILD = """
import sys
from pathlib import Path
from modelyard.flows.steps.hub import download
from modelyard.flows.steps.hub.hub import HubClient, open_client
from modelyard.flows.steps.hub.resolve import resolve
from modelyard.registry.database import Database
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.store import Store
url, root, database = sys.argv[1:]
hub, store = HubClient(url), Store(Path(root), 10**9)
snapshot = resolve(hub, "ada/m", "main")
file = next(f for f in snapshot.files if f.path == "m.gguf")
with open_client(hub) as client:
    records = BuildRecords(Database.connect(database))
    download.Downloader(hub, store, records, client, snapshot).fetch(file, lambda _: None)
"""


def test_a_killed_process_is_continued(
    desk: Desk, hub_process: HubProcess, store: Store, sqlite_url: str, sent: Callable[[], int]
) -> None:
    """Kill -9 in the middle of a transfer: the next process sends for the rest only."""
    hub_process.fault(bytes_per_second=SIZE // 20, path="m.gguf")
    argv = [sys.executable, "-c", CHILD, hub_process.url, str(store.root), sqlite_url]
    with subprocess.Popen(argv) as child:
        deadline = time.monotonic() + 120
        while not any(p.stat().st_size > SIZE // 10 for p in parts(store)):
            assert time.monotonic() < deadline, "the download does not begin"
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
    (part,) = parts(store)
    have = part.stat().st_size
    before = -1
    while (now := sent()) != before:  # the Hub notices that nobody listens
        before = now
        time.sleep(1.0)
    desk.fetch("ada/m", "m.gguf")
    assert held(store) == WEIGHTS
    assert sent() - before == SIZE - have


def test_endless_redirects_are_the_hub_s_fault(desk: Desk, store: Store) -> None:
    """Said in one line with what to do, however a server fails to answer."""
    snapshot = desk.snapshot("ada/m")

    class Circle(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Circle) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        hub = replace(desk.hub, endpoint=f"http://127.0.0.1:{server.server_port}", attempts=2)
        with open_client(hub) as client:
            downloader = download.Downloader(hub, store, desk.results, client, snapshot)
            file = next(file for file in snapshot.files if file.path == "m.gguf")
            with pytest.raises(HubUnreachable, match="redirects"):
                downloader.fetch(file, lambda _: None)
        server.shutdown()
