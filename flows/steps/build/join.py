"""Puts a file together that was cut into pieces of bytes, once per set of pieces."""

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.flows.steps.build.quantize import Tensors, key_of_hashes
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.model import StoredFile
from modelyard.registry.store import Store
from modelyard.registry.store.object_writer import chunks

JOINED = "bytes:joined"
"""The build recipe of a file that is its pieces one after the other."""


@dataclass(frozen=True, slots=True)
class Joiner:
    """Writes whole files into the store, and records them."""

    store: Store
    results: BuildRecords

    def join(self, pieces: tuple[StoredFile, ...], path: str, told: Tensors) -> StoredFile:
        """The whole file at `path`; `told` receives the pieces done and their number."""
        key = key_of_hashes([piece.sha256 for piece in pieces])
        known = self.results.built(key, JOINED)
        if known and self.store.has(known.sha256):
            return StoredFile(path, known.sha256, known.size)
        self.store.make_room(sum(piece.size for piece in pieces))
        stored = self.store.put(self._bytes(pieces, told))
        self.results.record_build(key, JOINED, stored.sha256, stored.size)
        return StoredFile(path, stored.sha256, stored.size)

    def _bytes(self, pieces: tuple[StoredFile, ...], told: Tensors) -> Iterator[bytes]:
        for done, piece in enumerate(pieces):
            told(done, len(pieces))
            yield from chunks(self.store.path(piece.sha256))
        told(len(pieces), len(pieces))
