"""Databases that a simulation may fill and empty a thousand times."""

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from modelyard.registry.database import Database


@pytest.fixture
def simulated_db(request: pytest.FixtureRequest, kind: str) -> Generator[Database]:
    """A migrated database of this kind; SQLite's is in memory, for no power is cut here."""
    if kind == "sqlite":
        db = _in_memory(request.getfixturevalue("sqlite_template"))
    else:
        db = Database.connect(str(request.getfixturevalue("postgres_url")))
    yield db
    db.close()


def _in_memory(template: Path) -> Database:
    db = Database.connect("sqlite://")
    with closing(sqlite3.connect(template)) as file, closing(db.engine.raw_connection()) as here:
        assert isinstance(here.driver_connection, sqlite3.Connection)
        file.backup(here.driver_connection)
    return db
