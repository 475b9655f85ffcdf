"""Limits of the Hub are waited for as it asks, and mirrors that answer oddly lose nothing."""

import hashlib
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from modelyard.flows.errors import AccessRestricted, HubOffline, HubUnreachable
from modelyard.flows.steps.hub.download import Downloader
from modelyard.flows.steps.hub.hub import HubClient, HubSnapshot, RemoteFile, open_client
from modelyard.flows.steps.hub.resolve import check_access, resolve
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.errors import FileCorrupt
from modelyard.registry.store import Store
from tests.deployments.hub_process import RunningHub as HubProcess
from tests.flows.conftest import TOKEN, Desk
from tests.flows.steps.hub.odd_hub import Answer, AskedFor, OddHub, Write, odd_hub

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = RemoteFile("m.gguf", len(CONTENT), "b" * 40, SHA256)
ETAG = {"ETag": '"1"'}
DESCRIBED = b'{"id": "ada/m", "sha": "%s", "siblings": []}' % (
    b"c" * 40
)  # what every question about ada/m is answered with here
Fetch = Callable[[OddHub], bytes]


@pytest.fixture
def fetch(store: Store, results: BuildRecords) -> Fetch:
    """Download the one file from a server; returns what the store then has."""

    def bring(hub: OddHub) -> bytes:
        ours = HubClient(hub.url, token="hf_secret", attempts=4, backoff_s=0.001)
        snapshot = HubSnapshot("ada/m", "c" * 40, (FILE,))
        with open_client(ours) as http:
            stored = Downloader(ours, store, results, http, snapshot).fetch(FILE, lambda _: None)
        return store.path(stored.sha256).read_bytes()

    return bring


def cut(content: bytes, after: int) -> Callable[[Write], None]:
    """A body that says its whole length, and ends before."""

    def send(write: Write) -> None:
        write(content[:after])

    return send


def first_then(first: Answer, then: Callable[[AskedFor], Answer]) -> Callable[[AskedFor], Answer]:
    answers = [first]
    return lambda asked: answers.pop() if answers else then(asked)


def start_of(asked: AskedFor) -> int:
    return int(asked.headers.get("range", "bytes=0-")[6:-1])


def broken(**headers: str) -> Answer:
    return 200, {"Content-Length": str(len(CONTENT)), **headers}, cut(CONTENT, 300_000)


def test_a_mirror_that_ignores_range_sends_all_once_more(fetch: Fetch) -> None:
    """200 where 206 was asked for: the part begins anew, and the bytes are right."""
    with odd_hub(first_then(broken(**ETAG), lambda _: (200, ETAG, CONTENT))) as hub:
        assert fetch(hub) == CONTENT
        assert "range" in hub.asked[1].headers


@pytest.mark.parametrize("etag", ['W/"1"', "1", '""1""', ""])
def test_an_etag_that_is_none_is_not_sent_back(fetch: Fetch, etag: str) -> None:
    """Weak, bare or doubly quoted: If-Range would make some servers send all again."""

    def rest(asked: AskedFor) -> Answer:
        start = start_of(asked)
        span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return 206, {"Content-Range": span}, CONTENT[start:]

    with odd_hub(first_then(broken(**({"ETag": etag} if etag else {})), rest)) as hub:
        assert fetch(hub) == CONTENT
        assert "if-range" not in hub.asked[1].headers


def test_content_that_changed_since_the_description_is_never_kept(
    fetch: Fetch, store: Store
) -> None:
    """Of the same size or of another: what was described is what is meant."""
    for other in (CONTENT[::-1], CONTENT + b"x", CONTENT[:-5]):
        with (
            odd_hub(lambda _, other=other: (200, ETAG, other)) as hub,
            pytest.raises((FileCorrupt, HubUnreachable)),
        ):
            fetch(hub)
        assert not store.has(SHA256)


def test_content_that_changes_half_way_is_fetched_anew(fetch: Fetch) -> None:
    """The rest of another version makes a wrong whole, which is thrown away once."""

    def rest(asked: AskedFor) -> Answer:
        if "range" not in asked.headers:
            return 200, ETAG, CONTENT
        start = start_of(asked)
        span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return 206, {"Content-Range": span}, CONTENT[::-1][start:]

    with odd_hub(first_then(broken(), rest)) as hub:
        assert fetch(hub) == CONTENT


def test_the_token_does_not_follow_a_redirect_to_another_server(fetch: Fetch) -> None:
    """Another port is another server; what it sends is still held against the hash."""
    with (
        odd_hub(lambda _: (200, ETAG, CONTENT)) as elsewhere,
        odd_hub(lambda _: (302, {"Location": f"{elsewhere.url}/file"}, b"")) as hub,
    ):
        assert fetch(hub) == CONTENT
    assert hub.asked[0].headers["authorization"] == "Bearer hf_secret"
    assert "authorization" not in elsewhere.asked[0].headers


def test_one_403_of_a_cdn_is_asked_again(fetch: Fetch) -> None:
    """Its signed address had run out; the Hub gives a new one."""
    elsewhere_answers = first_then((403, {}, b"expired"), lambda _: (200, ETAG, CONTENT))
    with (
        odd_hub(elsewhere_answers) as elsewhere,
        odd_hub(lambda _: (302, {"Location": f"{elsewhere.url}/file"}, b"")) as hub,
    ):
        assert fetch(hub) == CONTENT


def test_a_403_that_stays_is_not_called_gated(fetch: Fetch) -> None:
    """Only the Hub's own word makes a repository gated."""
    with odd_hub(lambda _: (403, {}, b"")) as hub, pytest.raises(HubUnreachable, match="403"):
        fetch(hub)


@contextmanager
def limited(**headers: str) -> Generator[tuple[HubClient, list[float], OddHub]]:
    """A Hub that refuses the first question for its limit; the waits that were shown."""
    shown: list[float] = []

    @contextmanager
    def waiting(seconds: float) -> Generator[None]:
        shown.append(seconds)
        yield

    answers = first_then((429, headers, b""), lambda _: (200, {}, DESCRIBED))
    with odd_hub(answers) as hub:
        yield HubClient(hub.url, attempts=1, waiting=waiting), shown, hub


@pytest.mark.parametrize(
    "headers",
    [{"RateLimit": '"api";r=0;t=1', "RateLimit-Policy": '"fixed";q=5'}, {"Retry-After": "1"}],
)
def test_a_limit_is_waited_for_as_told_and_shown(headers: dict[str, str]) -> None:
    """It is no failed try: one try is allowed here."""
    with limited(**headers) as (ours, shown, hub):
        begun = time.monotonic()
        assert resolve(ours, "ada/m", "main").commit == "c" * 40
        assert time.monotonic() - begun >= 1.0
        assert shown == [1.0]
        assert len(hub.asked) == 2


def test_a_longer_wait_than_is_allowed_is_told_with_the_setting() -> None:
    """At once: nobody watches a command sleep for an hour."""
    with (
        limited(RateLimit='"api";r=0;t=3600') as (ours, shown, _),
        pytest.raises(HubUnreachable, match=r"3600 s.*600 s are allowed") as caught,
    ):
        resolve(ours, "ada/m", "main")
    assert "MODELYARD_HUB_LONGEST_WAIT_S" in caught.value.fix
    assert shown == []


def test_an_offline_hub_is_not_asked() -> None:
    """HF_HUB_OFFLINE means it."""
    with (
        odd_hub(lambda _: (200, {}, DESCRIBED)) as hub,
        pytest.raises(HubOffline, match="HF_HUB_OFFLINE"),
    ):
        resolve(HubClient(hub.url, offline=True), "ada/m", "main")
    assert hub.asked == []


def test_access_to_a_gated_repository_is_asked_though_its_bytes_are_here(
    desk: Desk, hub_process: HubProcess, publish: Callable[..., None]
) -> None:
    """What one user was let into is not thereby open to all who share the store."""
    publish("ada/gated", {"m.gguf": b"secret"}, gated="auto")
    member = replace(desk, hub=replace(desk.hub, token=TOKEN))
    assert member.fetch("ada/gated", "m.gguf")
    snapshot = desk.snapshot("ada/gated")
    before = hub_process.file_bytes
    with pytest.raises(AccessRestricted, match="gated"):
        check_access(desk.hub, snapshot, snapshot.files[0])
    check_access(member.hub, snapshot, snapshot.files[0])
    assert hub_process.file_bytes == before
