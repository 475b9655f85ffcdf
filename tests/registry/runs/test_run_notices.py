"""What happens to a run is told to whoever may see the run, and only then when it happened."""

import pytest

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.database import Database
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState

ADA = Caller("ada", "ada", Role.USER)
BOB = Caller("bob", "bob", Role.USER)
ADMIN = Caller("root", "root", Role.ADMIN)


def test_a_run_is_told_from_its_start_to_its_end(db: Database) -> None:
    """Every step in order; heartbeats are no news."""
    with RunBoard(db).start("ingest", "owner/name") as run:
        run.step("download", 100, "bytes")
        run.beat()
    told = NoticeBook(db).after(0)
    assert [(one.kind, one.data["step"], one.data["state"]) for one in told] == [
        ("run.progress", "", "running"),
        ("run.progress", "download", "running"),
        ("run.ended", "download", "completed"),
    ]
    assert told[-1].data["done"] == 100
    assert {one.data["id"] for one in told} == {run.id}


def test_a_run_that_is_ended_from_outside_is_told_once(db: Database) -> None:
    """One that had ended already is no news."""
    board = RunBoard(db)
    board.start("ingest", "m", "p1")
    for _ in range(2):
        board.end("p1", RunState.CANCELLED, "by ada")
    assert [one.kind for one in NoticeBook(db).after(0)] == ["run.progress", "run.ended"]


@pytest.mark.parametrize(
    ("visibility", "owner", "readers"),
    [
        (Visibility.PUBLIC, None, [ADA, BOB, ADMIN]),
        (Visibility.PRIVATE, "ada", [ADA, ADMIN]),
        (Visibility.PRIVATE, None, [ADMIN]),
    ],
)
def test_a_run_is_told_to_whom_its_list_shows_it(
    db: Database, visibility: Visibility, owner: str | None, readers: list[Caller]
) -> None:
    """As they come, and when a listener catches up."""
    board = RunBoard(db)
    board.start("ingest", "m", visibility=visibility, owner_id=owner)
    book = NoticeBook(db)
    (notice,) = book.after(0)
    for caller in (ADA, BOB, ADMIN):
        seen = bool(board.list(caller=caller))
        assert seen is (caller in readers)
        assert notice.is_for(caller) is seen
        assert bool(book.missed(0, notice.id, {notice.topic}, caller)) is seen
