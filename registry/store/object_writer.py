"""Writes files to the volume: hashed while they are written, then flushed to disk."""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A stored object's sha256 and its size in bytes."""

    sha256: str
    size: int


def chunks(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def write(source: Iterable[bytes], target: Path, most: int) -> StoredObject:
    """Write a new file and flush it to disk; raises OSError EFBIG past `most` bytes."""
    digest = hashlib.sha256()
    size = 0
    with target.open("xb") as file:
        for chunk in source:
            size += len(chunk)
            if size > most:
                raise OSError(errno.EFBIG, "larger than the whole store")
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return StoredObject(digest.hexdigest(), size)


def digest_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
