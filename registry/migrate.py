"""Migrates a database to this version's tables, once, even if many processes start together."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from modelyard.registry.database import Database
from modelyard.registry.errors import DatabaseNewer
from modelyard.registry.locks import exclusive

SCRIPTS = Path(__file__).parent / "migrations"
PATIENCE_S = 3600.0
"""Seconds for one step of a migration, or for another process's migration to end."""

_ADVISORY_KEY = 0x6D6F64656C  # "model": one number that every modelyard process locks


def revisions() -> list[str]:
    """Every revision this version knows, oldest first: the number each file name begins with."""
    return sorted(f.name.split("_")[0] for f in (SCRIPTS / "versions").glob("[0-9]*_*.py"))


def stored_revision(db: Database) -> str | None:
    """The revision of a database; None if it is empty."""
    with db.read() as session:
        connection = session.connection()
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.scalar(text("SELECT version_num FROM alembic_version"))


def migrate(db: Database) -> None:
    """Upgrade to the newest revision; raises DatabaseNewer if the database's is unknown."""
    if not _is_current(db):
        with _alone(db):
            if not _is_current(db):
                _upgrade(db)


def check_revision(db: Database) -> None:
    """Raise DatabaseNewer if this version does not know the database's revision."""
    _is_current(db)


def _is_current(db: Database) -> bool:
    known = revisions()
    stored = stored_revision(db)
    if stored is not None and stored not in known:
        raise DatabaseNewer(
            f"The database is at revision {stored}; this version knows up to {known[-1]}.",
            fix="Start the newer version of modelyard, or restore the backup from before it.",
        )
    return stored == known[-1]


@contextmanager
def _alone(db: Database) -> Generator[None]:
    file = db.engine.url.database
    if db.is_sqlite and file:
        with exclusive(Path(f"{file}.migrate.lock")):
            yield
    else:
        with db.engine.begin() as connection:  # the lock ends with this transaction
            with _patience(connection):
                lock = text("SELECT pg_advisory_xact_lock(:key)")
                connection.execute(lock, {"key": _ADVISORY_KEY})
            yield


@contextmanager
def _patience(connection: Connection) -> Generator[None]:
    """Let each statement in the block take the time that tables of any size need."""
    if connection.dialect.name == "sqlite":  # has no such bound, and no need of the library
        yield
        return
    from modelyard.registry.bounded_connection import BoundedConnection

    driver = connection.connection.driver_connection
    if not isinstance(driver, BoundedConnection):
        yield
        return
    usual = driver.answer_s
    driver.answer_s = PATIENCE_S
    try:
        yield
    finally:
        driver.answer_s = usual


def _upgrade(db: Database) -> None:
    from alembic import command
    from alembic.config import Config

    # Atomic: both databases roll back DDL.
    with db.engine.begin() as connection, _patience(connection):
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "head")
