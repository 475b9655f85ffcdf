"""Computes a file's hashes in a thread during the transfer, one block behind it."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

from modelyard.flows.steps.hub.hub import RemoteFile

BLOCK = 2 << 20


class Digest:
    """The sha256 of a file, and git's sha1 if the Hub has no sha256 for it."""

    def __init__(self, file: RemoteFile) -> None:
        self._promised = file.sha256 or file.git_oid
        self._sha256 = hashlib.sha256()
        header = b"blob %d\0" % file.size
        in_git = file.sha256 is None
        self._git = hashlib.sha1(header, usedforsecurity=False) if in_git else None
        self._thread = ThreadPoolExecutor(1, "digest")
        self._behind: Future[None] | None = None
        self._waiting: list[bytes] = []
        self.done = 0
        self._handed = 0

    def update(self, chunk: bytes) -> None:
        self._waiting.append(chunk)
        self.done += len(chunk)
        if self.done - self._handed >= BLOCK:
            self._hand_over()

    def sha256_if_promised(self) -> str | None:
        """The sha256 of everything so far; None if the content is not the promised one."""
        self._hand_over()
        self.close()
        found = self._git.hexdigest() if self._git is not None else self._sha256.hexdigest()
        return self._sha256.hexdigest() if found == self._promised else None

    def close(self) -> None:
        self._thread.shutdown()

    def _hand_over(self) -> None:
        """Hand the new chunks to the thread, after it has finished the previous ones."""
        if self._behind is not None:
            self._behind.result()
        self._behind = self._thread.submit(self._hash, self._waiting)
        self._waiting = []
        self._handed = self.done

    def _hash(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self._sha256.update(chunk)
            if self._git is not None:
                self._git.update(chunk)
