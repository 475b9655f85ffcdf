"""The board tells how far a run is, writes seldom, and shows who fell silent."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import event, update

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.database import Database, utc_now
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from modelyard.registry.runs.tables import RunRow


@pytest.fixture
def board(db: Database) -> RunBoard:
    return RunBoard(db)


def test_a_run_shows_its_step_and_progress(board: RunBoard) -> None:
    """What was written last is what people see."""
    with board.start("ingest", "owner/name", "p1") as run:
        run.step("download", 5 * 10**9, "bytes")
        (view,) = board.list()
        assert (view.state, view.step, view.done) == (RunState.RUNNING, "download", 0)
        assert (view.total, view.unit, view.prefect_run_id) == (5 * 10**9, "bytes", "p1")
    (view,) = board.list()
    assert (view.state, view.done) == (RunState.COMPLETED, 5 * 10**9)


def test_progress_is_written_at_most_twice_a_second(board: RunBoard) -> None:
    """A thousand reports in a moment cost no more than a write or two."""
    writes = list[str]()
    begun = time.monotonic()
    with board.start("ingest", "m") as run:
        run.step("download", 1000, "bytes")
        event.listen(board.db.engine, "commit", lambda _: writes.append("x"))
        for done in range(1000):
            run.advance(done)
    assert len(writes) <= 4 + 2 * (time.monotonic() - begun)


def test_a_run_that_raises_is_failed_with_the_reason(board: RunBoard) -> None:
    """Errors fail it, interruptions cancel it."""
    endings = {ValueError("no room"): RunState.FAILED, KeyboardInterrupt(): RunState.CANCELLED}
    for error, state in endings.items():
        with pytest.raises(type(error)), board.start("ingest", "m") as run:
            raise error
        view = board.get(run.id)
        assert view
        assert (view.state, view.message) == (state, str(error))


def test_a_run_is_seen_by_whoever_may_see_its_model(board: RunBoard) -> None:
    """Its owner and admins, or everybody; where nobody said, only admins. A restart keeps that."""
    board.start("ingest", "public", visibility=Visibility.PUBLIC).finish(RunState.COMPLETED)
    board.start("ingest", "own", "p1", owner_id="ada").finish(RunState.FAILED)
    board.start("ingest", "own", "p1").finish(RunState.COMPLETED)
    board.start("ingest", "untold").finish(RunState.COMPLETED)
    seen = {
        name: {run.subject for run in board.list(caller=Caller(name, name, role))}
        for name, role in (("ada", Role.USER), ("eve", Role.USER), ("admin", Role.ADMIN))
    }
    assert seen == {
        "ada": {"public", "own"},
        "eve": {"public"},
        "admin": {"public", "own", "untold"},
    }
    assert [run.subject for run in board.list(1, Caller("eve", "eve", Role.USER))] == ["public"]


def test_a_message_shows_no_secrets(board: RunBoard) -> None:
    """An error's text may hold the address of a server with its login."""
    with board.start("ingest", "m") as run:
        run.finish(RunState.FAILED, "http://user:pass/word@host refuses hf_abcdefghijkl")
    assert board.list()[0].message == "http://[hidden]@host refuses [hidden]"


def test_a_finished_run_stays_as_it_was_finished(board: RunBoard) -> None:
    """Leaving the block adds nothing to an explicit end."""
    with board.start("ingest", "m") as run:
        run.finish(RunState.CANCELLED, "by ada")
    assert [(v.state, v.message) for v in board.list()] == [(RunState.CANCELLED, "by ada")]


def test_a_silent_run_shows_as_interrupted(db: Database) -> None:
    """A minute without a sign of life; a finished run may be as old as it likes."""
    board = RunBoard(db, beat_s=3600.0)
    running = board.start("ingest", "a")
    done = board.start("ingest", "b")
    done.finish(RunState.COMPLETED)
    with board.db.begin() as session:
        session.execute(update(RunRow).values(updated_at=utc_now() - timedelta(seconds=61)))
    states = {view.id: view.state for view in board.list()}
    assert states == {running.id: RunState.INTERRUPTED, done.id: RunState.COMPLETED}
    running.finish(RunState.FAILED)


def test_a_working_run_gives_signs_of_life(db: Database) -> None:
    """Even while a long step reports nothing; not after its end."""
    board = RunBoard(db, beat_s=0.02)
    beat = threading.Event()
    with board.start("ingest", "m") as run:
        run.step("quantize")
        event.listen(board.db.engine, "commit", lambda _: beat.set())
        assert beat.wait(60)
    for thread in threading.enumerate():
        if thread.name == f"run-{run.id}":
            thread.join(60)  # its last sign may have been under way
    beat.clear()
    assert not beat.wait(0.2)


def test_a_run_that_prefect_starts_again_goes_on_in_its_row(board: RunBoard) -> None:
    """One row a Prefect run, and runs without one never meet."""
    first = board.start("ingest", "m", "p1")
    first.finish(RunState.FAILED, "killed")
    second = board.start("ingest", "m", "p1")
    assert second.id == first.id
    assert board.list()[0].state is RunState.RUNNING
    second.finish(RunState.COMPLETED)
    for _ in range(2):
        board.start("ingest", "m").finish(RunState.COMPLETED)
    assert len(board.list()) == 3
    assert len(board.list(limit=2)) == 2
    assert board.get("none") is None


def test_a_run_is_ended_from_outside_only_where_it_has_not_ended(board: RunBoard) -> None:
    """A completed one stays completed; a cancellation says more than that it was interrupted."""
    endings = {
        RunState.COMPLETED: RunState.COMPLETED,
        RunState.FAILED: RunState.FAILED,
        None: RunState.INTERRUPTED,
    }
    for number, (own, seen) in enumerate(endings.items()):
        run = board.start("ingest", "m", f"p{number}")
        if own is not None:
            run.finish(own, "by itself")
        board.end(f"p{number}", RunState.INTERRUPTED, "died")
        view = board.get(run.id)
        assert view
        assert view.state is seen
        board.end(f"p{number}", RunState.CANCELLED, "cancelled")
        last = board.get(run.id)
        assert last
        assert last.state is (own if own is RunState.COMPLETED else RunState.CANCELLED)
        run.finish(last.state)


def test_a_refused_order_is_shown_with_its_reason(board: RunBoard) -> None:
    """Though nothing was done for it."""
    board.refuse("ingest", "eve/bad@main", "It is gated.")
    (view,) = board.list()
    assert (view.state, view.subject, view.message) == (
        RunState.FAILED, "eve/bad@main", "It is gated.",
    )  # fmt: skip
