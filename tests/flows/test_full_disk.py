"""A full disk is one error with what to do, whatever library ran into it."""

import errno
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from modelyard.flows.full_disk import raised_as_ours
from modelyard.registry.database import Database
from modelyard.registry.errors import InvalidName, StorageFull


def _fill(db: Database) -> None:
    with raised_as_ours(), db.begin() as session:
        session.execute(text("CREATE TABLE t (x BLOB)"))
        session.execute(text("PRAGMA max_page_count = 4"))
        session.execute(text("INSERT INTO t VALUES (zeroblob(1000000))"))


def test_a_database_that_cannot_grow_says_that_the_disk_is_full(tmp_path: Path) -> None:
    """SQLite's own error comes wrapped by SQLAlchemy."""
    db = Database.connect(f"sqlite:///{tmp_path / 'small.db'}")
    with pytest.raises(StorageFull, match="models gc"):
        _fill(db)
    db.close()


def test_a_write_that_finds_no_room_too() -> None:
    """Also where another error was raised because of it."""
    error = RuntimeError("it could not be saved")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StorageFull), raised_as_ours():
        raise error


@pytest.mark.parametrize("error", [OSError(errno.EIO, "x"), sqlite3.Error("x"), InvalidName("x")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    """Nobody frees a disk because a cable is broken."""
    with pytest.raises(type(error)) as raised, raised_as_ours():
        raise error
    assert raised.value is error
