"""File locks that one process holds at a time; the kernel frees them when the holder dies."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Generator[None]:
    """Hold the lock at `path` in the block, excluding other processes and threads.

    Without `wait`, raises BlockingIOError if the lock is held.
    """
    descriptor = _locked(path, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    try:
        yield
    finally:
        os.close(descriptor)


def remove_free(path: Path) -> bool:
    """Delete the lock file at `path` unless somebody holds it; whether it is gone now."""
    try:
        with exclusive(path, wait=False):
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    return True


def _locked(path: Path, how: int) -> int:
    """An open descriptor with the lock of the file that `path` names now.

    Whoever waited for a lock whose file was removed meanwhile holds what nobody else finds, so it
    starts over with the new file.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, how)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_free(path: Path) -> bool:
    """Whether the lock at `path` is free; a missing file counts as free."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
