"""One file of the journal of running requests: mapped into memory, and locked by its process."""

import fcntl
import mmap
import os
import uuid
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Segment:
    """One locked file of the journal; `open` counts its requests that are not booked yet."""

    path: Path
    descriptor: int
    lines: mmap.mmap
    end: int = 0
    open: int = 0

    @classmethod
    def create(cls, folder: Path, kind: str, size: int) -> "Segment":
        """A new locked file of `size` bytes; raises OSError, and leaves nothing then."""
        name = f"{kind}-{uuid.uuid4().hex}.jsonl"
        draft = folder / f".{name}"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)  # a full disk fails here, not as a SIGBUS later
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            draft.rename(folder / name)  # locked before it has its final name
            return cls(folder / name, descriptor, mmap.mmap(descriptor, size))
        except OSError:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise

    @classmethod
    def nowhere(cls) -> "Segment":
        """A segment that keeps nothing, for requests that begin while there is no room on disk."""
        return cls(Path(), -1, mmap.mmap(-1, mmap.PAGESIZE))

    def write(self, line: bytes) -> None:
        self.end += self.lines.write(line)

    def clear(self) -> None:
        """Empty the file for reuse: its pages are in memory, which nearly halves a line's cost."""
        self.lines[: self.end] = bytes(self.end)
        self.lines.seek(0)
        self.end = 0

    def leave(self) -> None:
        """Unlock the file, so that any process may book its rows."""
        self.lines.close()
        os.close(self.descriptor)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.leave()
