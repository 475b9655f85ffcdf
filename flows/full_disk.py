"""Recognises a full disk in whatever error a library makes of it."""

import errno
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from modelyard.registry.errors import ModelyardError, StorageFull

_POSTGRES_DISK_FULL = "53100"


@contextmanager
def raised_as_ours() -> Generator[None]:
    """Raise StorageFull for an error in the block whose cause is a full disk."""
    try:
        yield
    except ModelyardError:
        raise
    except Exception as error:
        if not any(map(_is_full, _causes(error))):
            raise
        raise StorageFull(
            f"The disk is full: {str(error)[:200]}",
            fix="Free the disk (`modelyard models gc` shows what belongs to nothing), then run the "
            "same again: it continues.",
        ) from error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(error, "sqlstate", None) == _POSTGRES_DISK_FULL


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it was raised from or during."""
    while error is not None:
        yield error
        original = getattr(error, "orig", None)  # SQLAlchemy keeps the driver's error here
        error = original or error.__cause__ or error.__context__
