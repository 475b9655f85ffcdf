"""The bytes of users' files in the store: each is pinned by its file, and shared where equal."""

from pathlib import Path
from typing import Protocol

from modelyard.registry.files.user_file import UserFile
from modelyard.registry.store import Store, StoredObject


class StoreOpener(Protocol):
    """Opens the store when it is first needed: a gateway that keeps no files needs no volume."""

    def __call__(self) -> Store: ...


def pin_of(file_id: str) -> str:
    """The owner under which a file's bytes are pinned."""
    return f"file:{file_id}"


class FileStore:
    """Keeps and lets go the bytes of files; the database is told by others.

    A file is pinned before its row is written and unpinned after its row is gone. What a killed
    process leaves between the two is a pin of no file, which upkeep finds.
    """

    def __init__(self, opener: StoreOpener) -> None:
        self._open = opener
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = self._open()
        return self._store

    def keep(self, draft: Path, stored: StoredObject, file_id: str) -> None:
        """Move a written file of the store's volume in, and pin it; raises StorageFull."""
        self.store.adopt(draft, stored.sha256, verify=False)
        self.store.pin(stored.sha256, pin_of(file_id))

    def path(self, file: UserFile) -> Path:
        """Where the bytes are; raises FileMissing."""
        return self.store.path(file.sha256)

    def drop(self, file_id: str) -> None:
        """Let the bytes of a file go, unless another file has the same."""
        for sha256 in self.store.unpin(pin_of(file_id)):
            self.store.remove(sha256)
