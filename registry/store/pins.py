"""Durable pins: which files must stay, and on whose behalf."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from modelyard.registry.store.object_writer import sync


@dataclass(frozen=True, slots=True)
class Pins:
    """One small file a pin, named by the content hash and the owner's hash."""

    folder: Path

    def add(self, sha256: str, owner: str) -> None:
        file = self.folder / f"{sha256}.{_word(owner)}"
        file.write_text(owner)
        sync(file)
        sync(self.folder)

    def remove(self, owner: str) -> list[str]:
        """Drop every pin of an owner; returns the hashes it had pinned."""
        files = list(self.folder.glob(f"*.{_word(owner)}"))
        for file in files:
            file.unlink(missing_ok=True)
        sync(self.folder)
        return [file.stem for file in files]

    def pinned(self) -> set[str]:
        return {file.stem for file in self.folder.iterdir()}


def _word(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:32]
