"""Transactions are whole, times keep their zone, and readers do not wait for writers."""

import sqlite3
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from modelyard.registry.database import Database, UtcDateTime, utc_now
from modelyard.registry.identity.tables import ApiKeyRow, UserRow


def _names(db: Database) -> list[str]:
    with db.read() as session:
        return list(session.scalars(select(UserRow.name)))


def test_an_error_rolls_the_whole_transaction_back(db: Database) -> None:
    """Nothing of a failed block is kept."""

    def fail() -> None:
        with db.begin() as session:
            session.add(UserRow(name="ada", role="user"))
            session.flush()
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert _names(db) == []


def test_readers_do_not_wait_for_a_writer(db: Database) -> None:
    """A read during an open write sees what was committed before, at once."""
    with db.begin() as session:
        session.add(UserRow(name="ada", role="user"))
        session.flush()
        began = time.perf_counter()
        assert _names(db) == []
        assert time.perf_counter() - began < 20  # a wait would be 30 s
    assert _names(db) == ["ada"]


def test_postgresql_refuses_writes_in_a_read(db: Database) -> None:
    """A read that writes is a mistake; PostgreSQL says so, and the next write still works."""
    if db.is_sqlite:
        return

    def write_in_read() -> None:
        with db.read() as session:
            session.add(UserRow(name="ada", role="user"))

    with pytest.raises(DBAPIError, match="read-only"):
        write_in_read()
    with db.begin() as session:
        session.add(UserRow(name="bob", role="user"))
    assert _names(db) == ["bob"]


def test_times_come_back_in_utc(db: Database) -> None:
    """The instant is kept whatever the zone it was written in; a time without one is refused."""
    noon = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with db.begin() as session:
        session.add(UserRow(id="1", name="ada", role="user", created_at=noon))
    with db.read() as session:
        read = session.get_one(UserRow, "1").created_at
    assert read == noon
    assert read.tzinfo is UTC
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(noon.replace(tzinfo=None), db.engine.dialect)


def test_keys_need_their_user(db: Database) -> None:
    """Foreign keys hold on both databases."""
    key = ApiKeyRow(user_id="nobody", name="k", sha256="0" * 64, prefix="my_", expires_at=utc_now())

    def add() -> None:
        with db.begin() as session:
            session.add(key)

    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        add()


def test_a_closed_database_leaves_no_connection_behind(db: Database) -> None:
    """Neither one that a thread still uses meanwhile, nor that of a thread that comes too late."""
    found = list[Any]()
    for _ in range(2):
        with db.read() as session:
            found.append(session.connection().connection.dbapi_connection)
            db.close()
    for connection in found:
        with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
            connection.execute("SELECT 1")
