"""Requests at work, on disk: whoever is killed leaves behind what it would have booked.

Every line is the row to book in case nobody says how the request ended. A file lives as long as
one of its requests does, and as long as it is locked its process lives. Lines are put into mapped
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
"""Size of one file: about ten thousand requests."""

_log = logger("modelyard.gateway")
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(UsageRecord).decode


@dataclass(slots=True)
class Segment:
    """One file of the journal, locked; `open` counts the requests that are not in the ledger."""

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
        os.posix_fallocate(descriptor, 0, size)  # a full disk shows here, not as a SIGBUS later
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        draft.rename(folder / name)  # under its name it is locked from the beginning
        return cls(folder / name, descriptor, mmap.mmap(descriptor, size))

    def write(self, line: bytes) -> None:
        self.end += self.lines.write(line)

    def clear(self) -> None:
        """Begin anew; its pages are in memory already, which nearly halves what a line costs."""
        self.lines[: self.end] = bytes(self.end)
        self.lines.seek(0)
        self.end = 0

    def leave(self) -> None:
        """Unlock it: anybody may book what it holds."""
        self.lines.close()
        os.close(self.descriptor)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.leave()


@dataclass(slots=True)
class Journal:
    """What this process has at work, in files of a folder it may share with others.

    A file has `segment_bytes`; then the next one begins.
    """

    folder: Path
    segment_bytes: int = BYTES
    _segment: Segment | None = field(default=None, init=False)
    _spare: Segment | None = field(default=None, init=False)

    def reserve(self, row: UsageRecord) -> Segment:
        """Write what is booked if nothing more is heard of it; say `settle` once it is booked."""
        line = _encode(row) + b"\n"
        segment = self._segment
        if segment is None or segment.end + len(line) > self.segment_bytes:
            segment = self._next(segment)
        segment.write(line)
        segment.open += 1
        return segment

    def settle(self, segments: Iterable[Segment]) -> None:
        """One request of each is in the ledger, or never came to use anything."""
        for segment in segments:
            segment.open -= 1
            if not segment.open and segment is not self._segment:
                self._done(segment)

    def spill(self, rows: Sequence[UsageRecord]) -> None:
        """Put rows that memory has no room for where `recover` finds them."""
        lines = _encode_lines(rows)
        segment = Segment.create(self.folder, "rows", len(lines))
        segment.write(lines)
        segment.leave()

    def close(self) -> None:
        """Nothing is at work any more; what is, stays to be booked as lost."""
        segment, self._segment = self._segment, None
        spare, self._spare = self._spare, None
        if segment is not None:
            segment.leave() if segment.open else segment.remove()
        if spare is not None:
            spare.remove()

    def recover(self, book: UsageBook) -> int:
        """Book what dead processes left behind; returns the rows found. May be called any time."""
        found = 0
        # Rows that were known come first: the first row of a request is the one that stays.
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
        """Nobody needs what it holds; one such file is kept for the next lines."""
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
    except BlockingIOError:  # its process lives
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
