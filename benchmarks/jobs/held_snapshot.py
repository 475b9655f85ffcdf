"""What the queue loses while another transaction holds its snapshot open for the whole run."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import text

from benchmarks.jobs.queue_pace import pace
from modelyard.registry.database import Database


@contextmanager
def held_snapshot(db: Database) -> Generator[None]:
    """A reader that began before and goes on: nothing that dies meanwhile can be cleared away."""
    isolation = {} if db.is_sqlite else {"isolation_level": "REPEATABLE READ"}
    with db.engine.connect().execution_options(**isolation) as connection:
        connection.execute(text("SELECT count(*) FROM jobs"))
        yield


def loss(db: Database, count: int) -> float:
    """The share of jobs per second that are lost by it, 0..1."""
    alone = pace(db, count).per_second
    with held_snapshot(db):
        beside = pace(db, count).per_second
    return 1 - beside / alone
