"""A process that dies leaves behind what it had at work; it is booked once, by whoever comes."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from modelyard.registry.billing.usage import UsageBook
from modelyard.registry.database import Database
from modelyard.serving.metering.journal import Journal
from tests.serving.metering.full_disk import full_disk
from tests.serving.metering.rows import lost

DIES = """
import os, signal, sys
from pathlib import Path
from modelyard.serving.metering.journal import Journal
from tests.serving.metering.rows import lost
journal = Journal(Path(sys.argv[1]))
for number in range(3):
    journal.reserve(lost(request_id=str(number)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def book(sqlite_url: str) -> UsageBook:
    return UsageBook(Database.connect(sqlite_url))


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def files(folder: Path) -> list[Path]:
    return list(folder.glob("*.jsonl"))


def test_what_a_killed_process_had_at_work_is_booked_once(book: UsageBook, tmp_path: Path) -> None:
    """As lost, with what was reserved; a second look finds nothing more."""
    folder = tmp_path / "usage"
    died = subprocess.run([sys.executable, "-c", DIES, str(folder)], check=False)
    assert died.returncode == -9
    assert Journal(folder).recover(book) == 3
    assert Journal(folder).recover(book) == 0
    (total,) = book.totals(1)
    assert (total.requests, total.failed, total.output_tokens) == (3, 3, 3 * 256)
    assert files(folder) == []


def test_the_living_are_left_alone(book: UsageBook, tmp_path: Path) -> None:
    """What another process has at work is its own, as long as it lives."""
    journal = Journal(tmp_path)
    journal.reserve(lost())
    assert Journal(tmp_path).recover(book) == 0
    assert len(files(tmp_path)) == 1
    journal.close()
    assert Journal(tmp_path).recover(book) == 1


def test_a_row_that_was_known_wins_over_its_reservation(book: UsageBook, tmp_path: Path) -> None:
    """Rows put away while the database was gone are booked before what their process reserved."""
    journal = Journal(tmp_path)
    reserved = lost()
    journal.reserve(reserved)
    journal.spill([replace(reserved, status="200", output_tokens=7)])
    journal.close()
    assert journal.recover(book) == 2
    assert [(t.requests, t.failed, t.output_tokens) for t in book.totals(1)] == [(1, 0, 7)]


def test_a_request_that_was_tried_twice_is_lost_once(book: UsageBook, tmp_path: Path) -> None:
    """Its first engine was gone; with the second at work its gateway is killed."""
    journal = Journal(tmp_path)
    first = lost()
    journal.settle([journal.reserve(first)])
    journal.reserve(replace(first, device_id="cpu-1"))
    journal.close()
    journal.recover(book)
    assert [total.requests for total in book.totals(1)] == [1]


def test_a_torn_line_costs_only_itself(book: UsageBook, tmp_path: Path) -> None:
    """A process may die in the middle of a line."""
    journal = Journal(tmp_path)
    journal.reserve(lost())
    journal.reserve(lost())
    journal.close()
    (file,) = files(tmp_path)
    text = file.read_bytes().rstrip(b"\0\n")
    file.write_bytes(text[:-20] + b"\0" * 100)
    assert journal.recover(book) == 1


def test_files_go_with_their_last_request(tmp_path: Path) -> None:
    """A full file stays until all in it is settled, one is kept; an empty journal leaves none."""
    journal = Journal(tmp_path, segment_bytes=1000)
    segments = [journal.reserve(lost()) for _ in range(10)]
    assert len(files(tmp_path)) > 2
    journal.settle(segments)
    assert len(files(tmp_path)) == 2
    journal.close()
    assert files(tmp_path) == []


def test_a_file_that_is_used_again_has_forgotten(book: UsageBook, tmp_path: Path) -> None:
    """What was in it is settled: a process that dies later leaves only what came since."""
    reserved = lost()
    journal = Journal(tmp_path, segment_bytes=3 * (len(msgspec.json.encode(reserved)) + 1))
    journal.settle([journal.reserve(reserved) for _ in range(9)])
    before = set(files(tmp_path))
    last = [journal.reserve(lost()) for _ in range(2)]
    assert {segment.path for segment in last} <= before
    journal.close()
    assert journal.recover(book) == 2


def test_a_full_disk_keeps_nobody_waiting_and_leaves_nothing(
    book: UsageBook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No descriptor, no draft, a few lines of log; with room again the next request is a line."""
    folder = tmp_path / "usage"
    journal = Journal(folder, retry_s=0.0)
    open_before = descriptors()
    with full_disk():
        segments = [journal.reserve(lost()) for _ in range(200)]
        assert journal.spill([lost()]) is False
        assert descriptors() < open_before + 10
    journal.settle(segments[:100])
    assert list(folder.iterdir()) == []
    journal.reserve(lost())
    journal.settle(segments[100:])
    journal.close()
    assert Journal(folder).recover(book) == 1
    assert 0 < len(capsys.readouterr().err.splitlines()) < 10


def test_a_full_disk_is_not_asked_for_every_request(tmp_path: Path) -> None:
    """It is tried again after a while; what was let in meanwhile costs nothing."""
    journal = Journal(tmp_path, retry_s=3600.0)
    with full_disk():
        journal.reserve(lost())
    journal.reserve(lost())
    assert files(tmp_path) == []


def test_lines_go_on_where_an_old_file_is_free_again(book: UsageBook, tmp_path: Path) -> None:
    """Its requests have ended: it needs no room."""
    journal = Journal(tmp_path, segment_bytes=1000, retry_s=0.0)
    first = [journal.reserve(lost()) for _ in range(2)]
    with full_disk():
        while journal.reserve(lost()) in first:
            pass
        journal.settle(first)
        assert journal.reserve(lost()).path.exists()
    journal.close()
