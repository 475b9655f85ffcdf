"""A file that is being written beside the store, hashed on the way."""

import errno
import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from modelyard.registry.errors import StorageFull
from modelyard.registry.store import Store, StoredObject

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(slots=True)
class Draft:
    """What was written so far; nobody finds it in the store before it is kept."""

    path: Path
    _file: IO[bytes]
    size: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)

    def write(self, data: bytes) -> None:
        """Append; raises StorageFull where the volume has no room."""
        try:
            self._file.write(data)
        except OSError as error:
            raise _full(error) from error
        self._sha256.update(data)
        self.size += len(data)

    def finish(self) -> StoredObject:
        """Nothing more is written; raises StorageFull as `write`."""
        try:
            self._file.close()
        except OSError as error:
            raise _full(error) from error
        return StoredObject(self._sha256.hexdigest(), self.size)


@contextmanager
def drafting(store: Store) -> Generator[Draft]:
    """A draft on the store's volume; what was not kept is removed at the end."""
    with store.scratch() as folder:
        path = folder / "draft"
        with path.open("xb") as file:
            yield Draft(path, file)


def _full(error: OSError) -> Exception:
    if error.errno not in _FULL:
        return error
    return StorageFull("The store's volume is full.", fix="Free the disk, then send it again.")
