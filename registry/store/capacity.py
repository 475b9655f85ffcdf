"""Free space of the store, and which files to evict for new ones."""

import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelyard.registry.errors import StorageFull
from modelyard.registry.sizes import size_text
from modelyard.registry.victims import enough_victims


def free_on_volume(folder: Path) -> int:
    """Bytes that this process may still write to the folder's volume."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """A file of the store: size in bytes and time of last use in seconds since 1970."""

    path: Path
    size: int
    used_at: float


def entries(folder: Path) -> Iterator[StoreEntry]:
    """Every file below a folder, skipping those that vanish meanwhile."""
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top, name)
            try:
                status = path.lstat()  # count a link in scratch, not its target
            except FileNotFoundError:
                continue
            yield StoreEntry(path, status.st_size, status.st_mtime)


@dataclass(frozen=True, slots=True)
class EvictionPlan:
    """Chooses which files to evict so that `need` bytes fit."""

    need: int
    free: int
    bound: int
    used: int

    @property
    def missing(self) -> int:
        """Bytes to evict first, to satisfy both the store's bound and the disk."""
        return max(self.used + self.need - self.bound, self.need - self.free, 0)

    def choose(self, objects: Collection[StoreEntry], kept: Collection[str]) -> list[StoreEntry]:
        """The least recently used files to evict, none of `kept`; StorageFull if too few."""
        free = (entry for entry in objects if entry.path.name not in kept)
        order = sorted(free, key=lambda entry: entry.used_at)
        leaving = enough_victims(order, self.missing, lambda entry: entry.size)
        if leaving is None:
            raise self.full()
        return leaving

    def full(self) -> StorageFull:
        return StorageFull(
            f"{size_text(self.need)} are needed, but the volume has {size_text(self.free)} free "
            f"and the store, bound to {size_text(self.bound)}, already holds "
            f"{size_text(self.used)}; what else it could let go is promoted or in use.",
            fix="Remove models (`modelyard models remove`), free the disk, "
            "or raise MODELYARD_STORE_MAX_GB.",
        )
