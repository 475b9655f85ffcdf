"""A journal of running requests on disk, from which the usage of a killed process is booked.

Every line is the row to book if the request's end is never recorded. A file exists as long as one
of its requests is unbooked; while it is locked, its process lives. Lines are put into mapped
memory, which costs no system call and survives a kill -9; it is not synced, so a power cut may
lose the last seconds.

Without room on the disk requests go on without a line in it: one that a kill ends is not booked
then, and the log says so. The disk is tried again every second.
"""

import fcntl
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from modelyard.registry.billing.usage import UsageBook, UsageRecord
from modelyard.registry.logs import logger
from modelyard.serving.metering.segment import Segment

BYTES = 4 * 1024 * 1024
"""Size of one file, for about ten thousand requests."""

RETRY_S = 1.0
"""Seconds until a disk that took nothing is tried again."""

_log = logger("modelyard.gateway")
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(UsageRecord).decode


@dataclass(slots=True)
class Journal:
    """This process' running requests, in files of a folder that other processes may share.

    A file holds `segment_bytes`; then the next one begins. `is_full` while the disk takes nothing.
    """

    folder: Path
    segment_bytes: int = BYTES
    retry_s: float = RETRY_S
    is_full: bool = field(default=False, init=False)
    _full_until: float = field(default=0.0, init=False)
    _nowhere: Segment = field(default_factory=Segment.nowhere, init=False)
    _segment: Segment | None = field(default=None, init=False)
    _spare: Segment | None = field(default=None, init=False)

    def reserve(self, row: UsageRecord) -> Segment:
        """Write the row to book if the process dies; call `settle` once the request is booked."""
        line = _encode(row) + b"\n"
        segment = self._segment
        if segment is None or segment.end + len(line) > self.segment_bytes:
            segment = self._next(segment)
            if segment is self._nowhere:
                return segment
        segment.write(line)
        segment.open += 1
        return segment

    def settle(self, segments: Iterable[Segment]) -> None:
        """Close one request in each segment: it is booked or used nothing."""
        for segment in segments:
            if segment is self._nowhere:
                continue
            segment.open -= 1
            if not segment.open and segment is not self._segment:
                self._done(segment)

    @property
    def may_write(self) -> bool:
        """Whether the disk has not just refused something."""
        return time.monotonic() >= self._full_until

    def spill(self, rows: Sequence[UsageRecord]) -> bool:
        """Write rows that memory has no room for to a file that `recover` finds; False: no room."""
        lines = _encode_lines(rows)
        segment = self._create("rows", len(lines))
        if segment is None:
            return False
        segment.write(lines)
        segment.leave()
        return True

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
        """The segment that follows a full one; `_nowhere` while the disk takes nothing."""
        if full is not None and not full.open:
            self._done(full)
        spare, self._spare = self._spare, None
        self._segment = spare or self._create("open", self.segment_bytes)
        return self._segment or self._nowhere

    def _create(self, kind: str, size: int) -> Segment | None:
        """A new file, or None while the disk takes nothing."""
        if not self.may_write:
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            segment = Segment.create(self.folder, kind, size)
        except OSError as error:
            self.is_full = True
            self._full_until = time.monotonic() + self.retry_s
            _log.error("usage_not_journaled", folder=str(self.folder), reason=str(error))
            return None
        self.is_full = False
        return segment

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
