"""The store: content-addressed, bounded, crash-safe, shared by processes without a server.

Below the root: `objects/ab/ab12…` are finished files by sha256, whose mtime is their time of last
use; `incoming/….part` are downloads in progress, kept across restarts; `scratch/…/` are private
folders of live processes; `pins/` and `leases/` record which files are needed, durably and while a
process lives; `lock` serialises changes by processes.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from modelyard.registry.errors import FileCorrupt, FileMissing
from modelyard.registry.locks import exclusive
from modelyard.registry.store.capacity import (
    EvictionPlan,
    StoreEntry,
    entries,
    free_on_volume,
)
from modelyard.registry.store.layout import object_path
from modelyard.registry.store.leases import Leases
from modelyard.registry.store.object_writer import StoredObject, chunks, digest_of, sync, write
from modelyard.registry.store.pins import Pins

_PART_LIFE_S = 7 * 24 * 3600.0


class Store:
    """Files by sha256 under `root`, together at most `max_bytes`.

    Code that keeps a file open does so inside `use`; a pin keeps a file durably.
    """

    def __init__(
        self, root: Path, max_bytes: int, free_bytes: Callable[[Path], int] = free_on_volume
    ) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self._free_bytes = free_bytes
        self._objects = root / "objects"
        self._incoming = root / "incoming"
        self._scratch = root / "scratch"
        pins = root / "pins"
        leases = root / "leases"
        for folder in (self._objects, self._incoming, self._scratch, pins, leases):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pins = Pins(pins)
        self._leases = Leases(leases)

    # reading

    def has(self, sha256: str) -> bool:
        return self._object(sha256).is_file()

    def path(self, sha256: str) -> Path:
        """The path of a file, which now counts as just used; raises FileMissing."""
        file = self._present(sha256)
        _touch(file)
        return file

    def size(self, sha256: str) -> int:
        return self._present(sha256).stat().st_size

    def usage(self) -> int:
        """Bytes of all files, including downloads in progress and scratch."""
        folders = self._objects, self._incoming, self._scratch
        return sum(entry.size for folder in folders for entry in entries(folder))

    # adding

    def put(self, source: Iterable[bytes] | Path, *, sha256: str | None = None) -> StoredObject:
        """Copy bytes in; the file appears only once complete, verified and flushed to disk."""
        if isinstance(source, Path):
            self.make_room(source.stat().st_size)
        with self.scratch() as folder:
            draft = folder / "draft"
            stored = self._write(chunks(source) if isinstance(source, Path) else source, draft)
            _expect(draft.name, stored.sha256, sha256)
            self._publish(draft, stored)
        return stored

    def adopt(self, path: Path, sha256: str, *, verify: bool = True) -> StoredObject:
        """Move a finished file of the same volume in; a file that fails verification stays."""
        if verify:
            _expect(path.name, digest_of(path), sha256)
        stored = StoredObject(sha256, path.stat().st_size)
        sync(path)
        self._publish(path, stored)
        return stored

    def incoming(self, key: str) -> Path:
        """The file that collects the download named `key` (such as its URL) across restarts."""
        return self._incoming / f"{hashlib.sha256(key.encode()).hexdigest()}.part"

    def discard(self, key: str) -> None:
        self.incoming(key).unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Generator[Path]:
        """A private folder on the volume; removed at the end, or swept if this process dies."""
        name = f"scratch-{secrets.token_hex(8)}"
        folder = self._scratch / name
        with self._alone():
            lease = self._leases.take(name)
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # a sweep removes any rest: the lease is gone
            lease.end()

    # keeping

    def pin(self, sha256: str, owner: str) -> None:
        """Keep a file until its owner (such as `version:<id>`) unpins; raises FileMissing."""
        with self._alone():
            self.path(sha256)
            self._pins.add(sha256, owner)

    def unpin(self, owner: str) -> list[str]:
        """Remove all pins of an owner; returns the hashes, which other owners may still pin."""
        return self._pins.remove(owner)

    @contextmanager
    def use(self, sha256: str) -> Generator[Path]:
        """A file that is not evicted until the block or the process ends; raises FileMissing."""
        with self._alone():
            file = self.path(sha256)
            lease = self._leases.take(sha256)
        try:
            yield file
        finally:
            _touch(file)
            lease.end()

    def pin_owners(self) -> dict[str, set[str]]:
        """The hashes that each owner pins."""
        return self._pins.owners()

    def unpinned(self) -> list[StoreEntry]:
        """The files that nothing pins and nobody uses; they may be evicted at any time."""
        with self._alone():
            kept = self._kept()
        return [entry for entry in entries(self._objects) if entry.path.name not in kept]

    def parts(self) -> list[StoreEntry]:
        """The downloads in progress or interrupted."""
        return list(entries(self._incoming))

    def unheld_scratch(self) -> list[tuple[str, int]]:
        """The name and size in bytes of each private folder whose process is dead."""
        with self._alone():
            held = self._leases.held()
            folders = [folder for folder in self._scratch.iterdir() if folder.name not in held]
        return [(folder.name, sum(entry.size for entry in entries(folder))) for folder in folders]

    # removing

    def make_room(self, size: int) -> None:
        """Evict least recently used files until `size` more bytes fit; raises StorageFull."""
        with self._alone():
            self._sweep()
            free = self._free_bytes(self.root)
            self._evict(EvictionPlan(size, free, self.max_bytes, self.usage()))

    def remove(self, sha256: str) -> bool:
        """Remove a file now; False if it is absent, pinned or in use."""
        with self._alone():
            if not self.has(sha256) or sha256 in self._kept():
                return False
            self._object(sha256).unlink()
            return True

    def sweep(self) -> None:
        """Remove what dead processes left: scratch folders, and downloads untouched for a week."""
        with self._alone():
            self._sweep()

    # internals

    def _alone(self) -> AbstractContextManager[None]:
        return exclusive(self.root / "lock")

    def _object(self, sha256: str) -> Path:
        return object_path(self.root, sha256)

    def _present(self, sha256: str) -> Path:
        file = self._object(sha256)
        if not file.is_file():
            raise FileMissing(
                f"The store holds no file {sha256[:12]}….", fix="Add its model again."
            )
        return file

    def _kept(self) -> set[str]:
        return self._pins.pinned() | self._leases.held()

    def _write(self, source: Iterable[bytes], draft: Path) -> StoredObject:
        try:
            return write(source, draft, self.max_bytes)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            size = draft.stat().st_size
            free = self._free_bytes(self.root)
            raise EvictionPlan(size + 1, free, self.max_bytes, self.usage()).full() from error

    def _publish(self, draft: Path, stored: StoredObject) -> None:
        target = self._object(stored.sha256)
        with self._alone():
            if target.exists():
                draft.unlink()
                _touch(target)
            else:
                self._fit(stored.size)
                self._move(draft, target)

    def _fit(self, size: int) -> None:
        """Evict for the store's bound only: `size` bytes are already on the disk."""
        used = sum(entry.size for entry in entries(self._objects))
        self._evict(EvictionPlan(size, size, self.max_bytes, used))

    def _move(self, draft: Path, target: Path) -> None:
        if not target.parent.exists():
            target.parent.mkdir(mode=0o700)
            sync(self._objects)
        os.utime(draft)
        draft.rename(target)
        target.chmod(0o400)
        sync(target.parent)

    def _evict(self, plan: EvictionPlan) -> None:
        for entry in plan.choose(list(entries(self._objects)), self._kept()):
            entry.path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        held = self._leases.held()
        for folder in self._scratch.iterdir():
            if folder.name not in held:
                shutil.rmtree(folder, ignore_errors=True)  # a child may still write: swept later
        for entry in entries(self._incoming):
            if entry.used_at < self._leases.now() - _PART_LIFE_S:
                entry.path.unlink(missing_ok=True)


def _touch(file: Path) -> None:
    with suppress(FileNotFoundError):
        os.utime(file)


def _expect(name: str, found: str, wanted: str | None) -> None:
    if wanted is not None and found != wanted:
        raise FileCorrupt(
            f"{name} has sha256 {found[:12]}…, expected {wanted[:12]}….",
            fix="Fetch it again; if it stays so, the source itself is wrong.",
        )
