"""One process at a time in an MLflow that is used as a library, straight on its database.

A server sees to this itself. As a library MLflow makes its tables at its first use, and its
experiment when it is first asked for: two that do so at once fail on each other's.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text

from modelyard.registry.locks import exclusive

_ADVISORY_KEY = 0x6D6C666C6F77  # "mlflow": one number that every modelyard process locks


@contextmanager
def alone_at(uri: str) -> Generator[None]:
    """Wait for the turn at the MLflow of a tracking URI; the kernel or the server ends it too."""
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
