"""Durable pins: which files must stay, and for which owner."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modelyard.registry.store.object_writer import sync


@dataclass(frozen=True, slots=True)
class Pins:
    """Pins in one folder: one small file per pin, named by content hash and hash of the owner."""

    folder: Path

    def add(self, sha256: str, owner: str) -> None:
        file = self.folder / f"{sha256}.{_word(owner)}"
        file.write_text(owner)
        sync(file)
        sync(self.folder)

    def remove(self, owner: str) -> list[str]:
        """Remove every pin of an owner; returns the hashes it had pinned."""
        files = list(self.folder.glob(f"*.{_word(owner)}"))
        for file in files:
            file.unlink(missing_ok=True)
        sync(self.folder)
        return [file.stem for file in files]

    def owners(self) -> dict[str, set[str]]:
        """The hashes that each owner pins; a pin that vanishes meanwhile is left out."""
        owners: dict[str, set[str]] = {}
        for file in self.folder.iterdir():
            with suppress(FileNotFoundError):
                owners.setdefault(file.read_text(), set()).add(file.stem)
        return owners

    def pinned(self) -> set[str]:
        return {file.stem for file in self.folder.iterdir()}


def _word(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:32]
