"""A journal of running requests on disk, from which the usage of a killed process is booked.

Every line is the row to book if the request's end is never recorded. A file exists as long as one
of its requests is unbooked; while it is locked, its process lives. Lines are put into mapped
memory, which costs no system call and survives a kill -9; it is not synced, so a power cut may
lose the last seconds.
"""

import fcntl
import mmap
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from modelyard.registry.billing.usage import UsageBook, UsageRecord
from modelyard.registry.logs import logger

BYTES = 4 * 1024 * 1024
"""Size of one file, for about ten thousand requests."""

_log = logger("modelyard.gateway")
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(UsageRecord).decode


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
        name = f"{kind}-{uuid.uuid4().hex}.jsonl"
        draft = folder / f".{name}"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(descriptor, 0, size)  # a full disk fails here, not as a SIGBUS later
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        draft.rename(folder / name)  # locked before it has its final name
        return cls(folder / name, descriptor, mmap.mmap(descriptor, size))

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


@dataclass(slots=True)
class Journal:
    """This process' running requests, in files of a folder that other processes may share.

    A file holds `segment_bytes`; then the next one begins.
    """

    folder: Path
    segment_bytes: int = BYTES
    _segment: Segment | None = field(default=None, init=False)
    _spare: Segment | None = field(default=None, init=False)

    def reserve(self, row: UsageRecord) -> Segment:
        """Write the row to book if the process dies; call `settle` once the request is booked."""
        line = _encode(row) + b"\n"
        segment = self._segment
        if segment is None or segment.end + len(line) > self.segment_bytes:
            segment = self._next(segment)
        segment.write(line)
        segment.open += 1
        return segment

    def settle(self, segments: Iterable[Segment]) -> None:
        """Close one request in each segment: it is booked or used nothing."""
        for segment in segments:
            segment.open -= 1
            if not segment.open and segment is not self._segment:
                self._done(segment)

    def spill(self, rows: Sequence[UsageRecord]) -> None:
        """Write rows that memory has no room for to a file that `recover` finds."""
        lines = _encode_lines(rows)
        segment = Segment.create(self.folder, "rows", len(lines))
        segment.write(lines)
        segment.leave()

    def close(self) -> None:
        """Close the files; one with open requests stays on disk, to be booked by `recover`."""
        segment, self._segment = self._segment, None
        spare, self._spare = self._spare, None
        if segment is not None:
            segment.leave() if segment.open else segment.remove()
        if spare is not None:
            spare.remove()

    def recover(self, book: UsageBook) -> int:
        """Book the rows of dead processes; returns how many. May be called at any time."""
        found = 0
        # Complete rows come first: the book keeps the first row of a request.
        for path in sorted(
            self.folder.glob("*.jsonl"), key=lambda p: not p.name.startswith("rows-")
        ):
            found += _recover_one(path, book)
        return found

    def _next(self, full: Segment | None) -> Segment:
        if full is not None and not full.open:
            self._done(full)
        spare, self._spare = self._spare, None
        if spare is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            spare = Segment.create(self.folder, "open", self.segment_bytes)
        self._segment = spare
        return spare

    def _done(self, segment: Segment) -> None:
        """Reuse or remove a segment without open requests; one is kept as a spare."""
        if self._spare is None:
            segment.clear()
            self._spare = segment
        else:
            segment.remove()


def _recover_one(path: Path, book: UsageBook) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # another process was faster
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        rows = _rows(path)
        if rows:
            book.add(rows)
        path.unlink(missing_ok=True)
        return len(rows)
    except BlockingIOError:  # its process is alive
        return 0
    finally:
        os.close(descriptor)


def _rows(path: Path) -> list[UsageRecord]:
    rows = list[UsageRecord]()
    for line in path.read_bytes().rstrip(b"\0").splitlines():
        try:
            rows.append(_decode(line))
        except (msgspec.DecodeError, msgspec.ValidationError):
            _log.warning("a line of the usage journal cannot be read", file=path.name)
    return rows
