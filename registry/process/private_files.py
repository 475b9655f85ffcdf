"""Keeps an installation's files private: new ones by umask, existing ones by chmod.

All processes of an installation run as one operating system user; no other user may read along.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from modelyard.registry.logs import logger

OURS = (
    "admin.key",
    "cards",
    "logs",
    "mlflow.db*",
    "modelyard.db*",
    "prefect",
    "run",
    "secret.*",
    "spill",
    "store",
    "usage",
)
"""Entries of the data folder whose permissions are corrected; others are left alone."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO

_log = logger("modelyard.files")


def keep_private() -> None:
    """Set the umask: only this user can use files made by this process and its children."""
    os.umask(OTHERS)


def close_to_others(folder: Path) -> None:
    """Remove group and other permissions in a data folder, unless the folder itself has none.

    Says in the log how many entries were open, or that they still are.
    """
    try:
        if _is_open(folder):
            closed = sum(map(_close, _inside(folder)))
            closed += _close(folder)  # last: an interrupted run starts over
            _log.warning("data_folder_closed", folder=str(folder), entries=closed)
    except PermissionError as error:
        _log.warning("data_folder_open", folder=str(folder), reason=str(error))


def close_database(file: Path) -> None:
    """Remove group and other permissions from a SQLite database, wherever it is."""
    try:
        if sum(_close(path) for path in (file, *file.parent.glob(f"{file.name}-*"))):
            _log.warning("database_closed", file=str(file))
    except PermissionError as error:
        _log.warning("database_open", file=str(file), reason=str(error))


def append_to(file: Path) -> BinaryIO:
    """Open a log for appending, and remove group and other permissions from it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if os.fstat(descriptor).st_mode & OTHERS:
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")


def _inside(folder: Path) -> Iterator[Path]:
    for form in OURS:
        for path in folder.glob(form):
            if path.is_symlink():  # it may point outside, such as at a volume
                continue
            yield path
            for root, folders, files in os.walk(path):
                yield from (Path(root, name) for name in (*folders, *files))


def _is_open(path: Path) -> bool:
    """Whether others have permissions on a path; False for a symbolic link or a missing file."""
    with suppress(FileNotFoundError):  # another process has removed it
        mode = path.lstat().st_mode
        return not stat.S_ISLNK(mode) and bool(mode & OTHERS)
    return False


def _close(path: Path) -> bool:
    """Remove group and other permissions; whether there were any."""
    if not _is_open(path):
        return False
    with suppress(FileNotFoundError):  # as above
        path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~OTHERS)
    return True
