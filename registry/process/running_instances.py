"""Which `modelyard up` of this user run now, wherever each keeps its data."""

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from modelyard.registry.locks import is_free
from modelyard.registry.running import read_running


def lock_of(data: Path) -> Path:
    """The lock that the one `up` on a data folder holds while it runs."""
    return data / "run" / "up.lock"


@contextmanager
def announced(data: Path) -> Generator[None]:
    """Tell this user's commands of the `up` on this folder, until the block ends.

    Without a home that can be written, only commands that are told the folder find it.
    """
    file = _folder() / hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(data))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def running_folders() -> list[Path]:
    """The data folders on which an `up` answers now."""
    try:
        files = sorted(_folder().iterdir())
    except OSError:
        return []
    folders = (Path(os.fsdecode(file.read_bytes())) for file in files)
    return [folder for folder in folders if _runs(folder)]


def _runs(data: Path) -> bool:
    """Whether its `up` lives: a killed one leaves its files behind, but not its lock."""
    try:
        return read_running(data) is not None and not is_free(lock_of(data))
    except OSError:  # another user's, or gone
        return False


def _folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "modelyard" / "running"
