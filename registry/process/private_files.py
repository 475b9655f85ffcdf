"""What an installation keeps is for its own user: new files by the umask, older ones mended.

All processes of an installation run as one user of the system; nobody else reads along.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from modelyard.registry.logs import logger

OURS = (
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
"""What of a data folder is ours to mend; whatever else lies there is left as it is."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO

_log = logger("modelyard.files")


def keep_private() -> None:
    """From now on this process and its children make files that only their user can use."""
    os.umask(OTHERS)


def close_to_others(folder: Path) -> None:
    """Mend a data folder of before; where it is closed already nobody gets at what is in it."""
    try:
        if _is_open(folder):
            for path in _inside(folder):
                _close(path)
            _close(folder)  # last: who is interrupted begins anew
    except PermissionError as error:
        _log.warning("data_folder_open", folder=str(folder), reason=str(error))


def append_to(file: Path) -> BinaryIO:
    """Open a log to be continued, also one that others could read until now."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if os.fstat(descriptor).st_mode & OTHERS:
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")


def _inside(folder: Path) -> Iterator[Path]:
    for form in OURS:
        for path in folder.glob(form):
            if path.is_symlink():  # it may lead to what is not ours, such as a volume
                continue
            yield path
            for root, folders, files in os.walk(path):
                yield from (Path(root, name) for name in (*folders, *files))


def _is_open(path: Path) -> bool:
    """Also not by a link, wherever that leads."""
    with suppress(FileNotFoundError):  # another process has removed it
        mode = path.lstat().st_mode
        return not stat.S_ISLNK(mode) and bool(mode & OTHERS)
    return False


def _close(path: Path) -> None:
    if _is_open(path):
        with suppress(FileNotFoundError):  # as above
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~OTHERS)
