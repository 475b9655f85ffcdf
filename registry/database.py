"""The database of an installation: SQLite (WAL) on a laptop, PostgreSQL in production."""

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from modelyard.registry.settings import ANSWER_S

READ_ONLY = "modelyard_read_only"


class Base(DeclarativeBase):
    """Base of every table; constraints are named so that later migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware UTC datetimes on both databases; SQLite alone would drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Database:
    """An engine and its sessions; every `begin()` and every `read()` is one transaction."""

    engine: Engine
    writers: sessionmaker[Session]
    _readers: sessionmaker[Session]

    @classmethod
    def connect(cls, url: str, *, answer_s: float = ANSWER_S) -> "Database":
        """Open the database at a SQLAlchemy URL; for SQLite, create its folder first.

        PostgreSQL has `answer_s` seconds for each statement.
        """
        is_sqlite = make_url(url).get_backend_name() == "sqlite"
        engine = _sqlite(url) if is_sqlite else _postgres(url, answer_s)
        readers = engine.execution_options(postgresql_readonly=True, **{READ_ONLY: True})
        return cls(engine, *(sessionmaker(e, expire_on_commit=False) for e in (engine, readers)))

    @contextmanager
    def begin(self) -> Generator[Session]:
        """One transaction: committed at the end, rolled back on any error."""
        with self.writers.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Generator[Session]:
        """A read-only transaction with a consistent view that never waits for writers."""
        with self._readers.begin() as session:
            yield session

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Close all connections; one that a thread still uses closes when it is returned."""
        event.listen(self.engine.pool, "checkin", _end)
        self.engine.dispose()


def _end(_connection: object, record: ConnectionPoolEntry) -> None:
    record.invalidate()


def _postgres(url: str, answer_s: float) -> Engine:
    from modelyard.registry.bounded_connection import CONNECT_S, BoundedConnection

    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        pool_timeout=answer_s,
        hide_parameters=True,
    )

    wait_s = max(2, min(CONNECT_S, int(answer_s)))  # less is no limit to the library

    def connect(
        _dialect: Dialect, _record: ConnectionPoolEntry, words: list[Any], named: dict[str, Any]
    ) -> BoundedConnection:
        connection = BoundedConnection.connect(*words, **{"connect_timeout": wait_s} | named)
        connection.answer_s = answer_s
        return connection

    event.listen(engine, "do_connect", connect)
    return engine


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL; None for other databases and for one in memory."""
    if not url.startswith("sqlite:"):
        return None
    file = make_url(url).database
    return Path(file) if file and file != ":memory:" else None


def _sqlite(url: str) -> Engine:
    if file := sqlite_file(url):
        file.parent.mkdir(parents=True, exist_ok=True)
    waits = {"timeout": 30, "check_same_thread": False}
    engine = create_engine(url, connect_args=waits, hide_parameters=True)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # `_on_begin` starts transactions
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails with "database is locked"
    # instead of waiting. Taking the write lock at once makes writers queue.
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def new_id() -> str:
    return str(uuid.uuid4())
