"""A partial download: bytes on disk, which survive a killed process, and their hashes."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from modelyard.flows.steps.hub.digest import Digest
from modelyard.flows.steps.hub.hub import RemoteFile

READ = 4 << 20


class Corrupt(Exception):
    """The bytes on disk do not match, or can no longer match, what the Hub promised."""


class PartialDownload:
    """The beginning of one file; reopening it restores its length and its hash.

    The content is verified by sha256, or by git's sha1 if the Hub has no sha256 for the file.
    """

    def __init__(self, path: Path, file: RemoteFile) -> None:
        self.etag: str | None = None
        self._promised = file
        self._stream = path.open("ab")
        self._digest = Digest(file)
        for chunk in read_chunks(path):
            self._digest.update(chunk)
        if self.done > file.size:
            self.restart()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._digest.close()

    def append(self, chunk: bytes) -> None:
        """Write and hash a chunk; raises Corrupt if the file is now larger than promised."""
        self._stream.write(chunk)
        self._digest.update(chunk)
        if self.done > self._promised.size:
            raise Corrupt

    def restart(self) -> None:
        """Discard everything and start again at the first byte."""
        self._stream.truncate(0)
        self.etag = None
        self._digest.close()
        self._digest = Digest(self._promised)

    def verified(self) -> str:
        """The sha256 of the whole file; raises Corrupt if it is not the promised one."""
        sha256 = self._digest.sha256_if_promised()
        if sha256 is None:
            raise Corrupt
        return sha256

    @property
    def done(self) -> int:
        return self._digest.done

    @property
    def is_whole(self) -> bool:
        return self.done >= self._promised.size


def read_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ):
            yield chunk
