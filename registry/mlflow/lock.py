"""A lock for MLflow used as a library directly on its database: one process at a time.

An MLflow server needs no lock. As a library, MLflow creates its tables at first use and its
experiment on first request; two processes that do so at once make each other fail.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text

from modelyard.registry.locks import exclusive

_ADVISORY_KEY = 0x6D6C666C6F77  # "mlflow": one number that every modelyard process locks


@contextmanager
def alone_at(uri: str) -> Generator[None]:
    """Hold the lock for the MLflow at `uri`; it is also freed when the process dies."""
    if uri.startswith("sqlite"):
        file = Path(make_url(uri).database or "")
        with exclusive(file.with_name(f"{file.name}.lock")):
            yield
    elif uri.startswith("postgresql"):
        engine = create_engine(uri, poolclass=NullPool, hide_parameters=True)
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
            yield
    else:
        yield
