"""What belongs to nothing is found with its reason, and goes; what belongs to something stays."""

import os
from datetime import timedelta

import pytest
from sqlalchemy import update

from modelyard.flows.context import FlowContext
from modelyard.flows.ingest.run import LOCK
from modelyard.flows.runs.record import record_of
from modelyard.flows.steps.hub.content_lock import lock_of
from modelyard.flows.upkeep.leftovers import Leftovers
from modelyard.flows.upkeep.verifying import Verifier
from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.database import utc_now
from modelyard.registry.locks import exclusive
from modelyard.registry.runs.runs import GIVEN_UP_AFTER
from modelyard.registry.runs.tables import RunRow
from tests.flows.upkeep.registered import registered

COMMIT = "c" * 40
OLD = 1_000_000_000
"""A time long ago, in seconds since 1970."""


@pytest.fixture
def leftovers(context: FlowContext) -> Leftovers:
    return Leftovers(context, lambda _: [])


def kinds(leftovers: Leftovers) -> list[str]:
    return sorted(leftover.kind for leftover in leftovers.find())


def litter(context: FlowContext) -> None:
    """One of everything that a killed process, or a removal cut off, leaves."""
    gone = registered(context, "o/gone")
    context.catalog.remove(ModelRef.parse("o/gone"))
    assert gone.mlflow_version
    left = context.store.path(context.store.put([b"left"]).sha256)
    part = context.store.incoming("hub/x")
    part.write_bytes(b"half")
    for file in (left, part):
        os.utime(file, (OLD, OLD))
    (context.store.root / "scratch" / "scratch-dead").mkdir()
    lock_of(context.store, "fetch", "abc").touch()
    with record_of(context.registry.data_dir, "run-1").held():
        record_of(context.registry.data_dir, "run-1").note("part", "hub/x")


def test_everything_that_belongs_to_nothing_is_found_and_goes(leftovers: Leftovers) -> None:
    """A file, a download, a folder, a lock, a pin, a card, a record in MLflow, a dead run."""
    context = leftovers.context
    kept = registered(context, "o/kept")
    litter(context)
    assert kinds(leftovers) == [
        "MLflow version", "card", "download", "file", "lock", "pin", "run", "scratch folder",
    ]  # fmt: skip
    assert all(leftover.why and not leftover.shared for leftover in leftovers.find())
    leftovers.clear(leftovers.find())
    assert kinds(leftovers) == ["run"], "which is ended by `settle`, not here"
    assert Verifier(context).check(lambda _: None) == []
    assert context.store.has(kept.main.sha256)


def test_what_a_running_ingest_has_in_hand_is_left_alone(leftovers: Leftovers) -> None:
    """Its files and downloads cannot be told from leftovers until it ends; nor its lock."""
    context = leftovers.context
    litter(context)
    record = record_of(context.registry.data_dir, "run-2")
    lock = lock_of(context.store, "ingest", "abc")
    with record.held(), exclusive(lock):
        record.note(LOCK, str(lock))
        assert leftovers.is_busy()
        assert not {"file", "download"} & set(kinds(leftovers))
        assert [x.name for x in leftovers.find() if x.kind == "lock"] == ["fetch-abc.lock"]
    record.forget()
    assert {"file", "download"} <= set(kinds(leftovers))


def test_a_run_that_fell_silent_is_found_and_ended(leftovers: Leftovers) -> None:
    """Not before it has been silent for an hour."""
    board = leftovers.context.board
    with board.start("ingest", "o/m", "p1"):
        assert kinds(leftovers) == []
        long_ago = utc_now() - GIVEN_UP_AFTER - timedelta(seconds=1)
        with board.db.begin() as session:
            session.execute(update(RunRow).values(updated_at=long_ago))
        assert kinds(leftovers) == ["run"]
        assert board.end_silent("silent") == 1
        assert kinds(leftovers) == []


def test_verify_finds_what_differs_in_each_place(context: FlowContext) -> None:
    """A changed file, a lost pin, card and MLflow version; each with what to do."""
    version = registered(context, "o/m")
    assert Verifier(context).check(lambda _: None) == []
    file = context.store.path(version.main.sha256)
    file.chmod(0o600)
    file.write_bytes(b"x" * version.main.size)
    context.index.remove(version.id)
    context.mlflow.forget(version)
    found = Verifier(context).check(lambda _: None)
    assert sorted((f.place, f.version) for f in found) == [
        ("MLflow", "o/m@1"), ("MLflow", "o/m@champion"), ("index", "o/m@1"), ("store", "o/m@1"),
    ]  # fmt: skip
    assert all(f.fix for f in found)
    quick = Verifier(context, hashes=False).check(lambda _: None)
    assert "store" not in {f.place for f in quick}, "the size is right"
    context.store.unpin(f"version:{version.id}")
    context.store.remove(version.main.sha256)
    assert "missing" in str(Verifier(context, hashes=False).check(lambda _: None))
