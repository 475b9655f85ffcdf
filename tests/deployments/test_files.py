"""Files leave the bundled Hub by range, and go wrong only in the ways a test ordered."""

import time

import httpx2
import pytest

from tests.deployments.conftest import OPEN
from tests.deployments.hub_process import RunningHub, fetch


@pytest.fixture
def address(hub: RunningHub) -> str:
    return hub.address(OPEN, "model.gguf")


@pytest.mark.parametrize(
    ("wanted", "first", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1000000-2500000", 1_000_000, 2_500_001),
        ("bytes=2999999-", 2_999_999, 3_000_000),
        ("bytes=-5", 2_999_995, 3_000_000),
        ("bytes=10-9999999999", 10, 3_000_000),
    ],
)
def test_a_range_is_sent_alone(
    address: str, weights: bytes, wanted: str, first: int, stop: int
) -> None:
    """A range gets 206, the place it was cut from, and those bytes only."""
    answer = fetch(address, headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{stop - 1}/3000000"
    assert answer.content == weights[first:stop]


def test_a_range_beyond_the_end_is_refused(address: str) -> None:
    """A range that begins after the last byte gets 416 and the true size."""
    answer = fetch(address, headers={"Range": "bytes=3000000-"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */3000000")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "lines=1-2"},
        {"Range": "bytes=0-1,5-6"},
        {"Range": "bytes=9-3"},
        {"Range": "bytes=0-9", "If-Range": '"of another version"'},
    ],
)
def test_what_is_no_single_range_of_this_version_gets_all(
    address: str, weights: bytes, headers: dict[str, str]
) -> None:
    """A form we do not know, or a resumption of another version, gets the whole file."""
    answer = fetch(address, headers=headers)
    assert (answer.status_code, answer.content) == (200, weights)


def test_head_tells_all_and_sends_nothing(hub: RunningHub, address: str) -> None:
    """HEAD gives the size, the hash and the commit without a byte of the file."""
    sent = hub.file_bytes
    answer = httpx2.head(address, timeout=60)
    assert answer.headers["Content-Length"] == "3000000"
    assert answer.headers["X-Linked-Size"] == "3000000"
    assert answer.headers["X-Linked-ETag"] == answer.headers["ETag"]
    assert len(answer.headers["X-Repo-Commit"]) == 40
    assert hub.file_bytes == sent


def test_a_cut_connection_can_be_resumed(hub: RunningHub, address: str, weights: bytes) -> None:
    """After a cut the first bytes are right, and a range brings the rest."""
    hub.fault(cut_after=1_500_000)
    got: list[bytes] = []
    with (
        httpx2.stream("GET", address, timeout=60) as answer,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        got.extend(answer.iter_raw())
    assert b"".join(got) == weights[:1_500_000]
    rest = fetch(address, headers={"Range": "bytes=1500000-"})
    assert b"".join([*got, rest.content]) == weights


def test_a_status_lasts_its_times(hub: RunningHub, address: str) -> None:
    """An ordered 503 says when to come back, as often as ordered, and then is over."""
    hub.fault(status=503, retry_after=1, times=2)
    answers = [fetch(address, headers={"Range": "bytes=0-9"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 206]
    assert answers[0].headers["Retry-After"] == "1"


def test_wrong_bytes_keep_the_length(hub: RunningHub, address: str, weights: bytes) -> None:
    """One byte is wrong, at the offset ordered, and nothing in the headers tells."""
    hub.fault(flip_at=1_200_000)
    answer = fetch(address, headers={"Range": "bytes=1100000-"})
    wrong = [
        place
        for place, (got, true) in enumerate(zip(answer.content, weights[1_100_000:], strict=True))
        if got != true
    ]
    assert wrong == [100_000]


def test_a_truncated_answer_ends_properly(hub: RunningHub, address: str, weights: bytes) -> None:
    """A truncated body is a valid answer: only the size known from elsewhere betrays it."""
    hub.fault(truncate_to=1234)
    answer = fetch(address, headers={"Range": "bytes=100-"})
    assert answer.content == weights[100:1334]
    assert answer.headers["Content-Range"] == "bytes 100-2999999/3000000"


def test_a_slow_answer_keeps_its_pace(hub: RunningHub, address: str) -> None:
    """A pace in bytes per second is kept, and the bytes are all there."""
    hub.fault(bytes_per_second=20_000)
    begun = time.monotonic()
    answer = fetch(address, headers={"Range": "bytes=0-9999"})
    assert len(answer.content) == 10_000
    assert time.monotonic() - begun > 0.45


def test_a_fault_waits_for_its_file(hub: RunningHub, address: str) -> None:
    """A fault with a path touches no other file, and an empty order clears it."""
    hub.fault(status=500, path="*.onnx", times=9)
    assert fetch(address).status_code == 200
    onnx = hub.address(OPEN, "onnx/model.onnx")
    assert fetch(onnx).status_code == 500
    hub.fault()
    assert fetch(onnx).status_code == 200


def test_an_unknown_fault_is_refused(hub: RunningHub) -> None:
    """A misspelt fault is an error, so that no test passes for want of it."""
    assert httpx2.post(f"{hub.url}/__fault", json={"cut_at": 1}, timeout=60).status_code == 422
