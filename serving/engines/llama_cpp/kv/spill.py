"""KV spilled to disk: a slot's content is kept in a file while that is cheaper than recomputing."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import file_digest
from io import BufferedRandom
from pathlib import Path

from modelyard.registry.logs import logger
from modelyard.serving.engines.generation import Generation
from modelyard.serving.engines.llama_cpp.kv.costs import SpillCosts
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence, Slot, common_prefix
from modelyard.serving.engines.llama_cpp.model.binding import LlamaContext

MOST_FILES = 128
"""Limit of open spill files, since the process also needs descriptors for sockets."""

_log = logger("modelyard.engine")


@dataclass(slots=True, eq=False)
class Spilled:
    """The KV of one owner's tokens, in an unlinked file of `size` bytes."""

    tenant: str
    adapter: str
    tokens: list[int]
    file: BufferedRandom
    size: int
    digest: bytes
    used: float

    @property
    def is_whole(self) -> bool:
        """Whether the file is as it was written: llama.cpp aborts on a damaged one."""
        if os.fstat(self.file.fileno()).st_size != self.size:
            return False
        return _digest(self.file) == self.digest


@dataclass(slots=True)
class Spill:
    """The files of one context, at most `limit` bytes; used on the thread that owns the context.

    Files are unlinked when created: no other process can open them, and the kernel frees them
    however the process ends. A slot with a pending copy is neither saved nor restored: its memory
    is not yet valid, and the copy would overwrite it or copy what was restored.
    """

    context: LlamaContext
    costs: SpillCosts
    limit: int = 0
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    shared: bool = False  # among tenants
    kept: list[Spilled] = field(default_factory=list[Spilled])
    saved: int = 0
    restored: int = 0

    @property
    def size(self) -> int:
        return sum(k.size for k in self.kept)

    def save(self, slot: Slot, keep: int = 0) -> None:
        """Save a slot's content before all but its first `keep` tokens are dropped."""
        tokens = slot.tokens[: slot.filled]
        if not self.limit or slot.index in self.context.copying or not self._is_new(slot, tokens):
            return
        size = self.context.size_of(slot.index)
        if size <= self.limit and self.costs.worth_saving(slot.filled - keep, size):
            self._write(slot, tokens, size)

    def find(self, sequence: Sequence, beyond: int) -> Spilled | None:
        """The file with a sequence's longest prefix, if reading it pays.

        It must hold more than the first `beyond` tokens, which are in memory already.
        """
        best = None
        longest = beyond
        for spilled in self._of(sequence.generation):
            length = min(common_prefix(spilled.tokens, sequence.tokens), sequence.reusable)
            if length > longest:
                best = spilled
                longest = length
        if best is None or not self.costs.worth_loading(longest - beyond, best.size):
            return None
        best.used = time.monotonic()  # keeps it from being dropped when room is made for it
        return best

    def restore(self, spilled: Spilled, slot: Slot) -> bool:
        """Read a file into an empty slot; on failure drop the file and return False."""
        if spilled not in self.kept:
            return False
        begun = time.perf_counter()
        path = _path(spilled.file)
        count = len(spilled.tokens)
        if not spilled.is_whole or not self.context.load(slot.index, path, count):
            _log.warning("spilled_kv_lost", tokens=count, bytes=spilled.size)
            self.context.forget(slot.index)
            self._drop(spilled)
            return False
        self.costs.loaded(spilled.size, time.perf_counter() - begun)
        slot.tokens = spilled.tokens
        slot.filled = count
        slot.tenant = spilled.tenant
        slot.adapter = spilled.adapter
        self.restored += 1
        return True

    def close(self) -> None:
        for spilled in [*self.kept]:
            self._drop(spilled)

    def _of(self, asker: Generation) -> Iterator[Spilled]:
        own = (k for k in self.kept if k.adapter == asker.adapter)
        return (k for k in own if self.shared or k.tenant == asker.tenant)

    def _like(self, slot: Slot) -> list[Spilled]:
        owner = slot.tenant, slot.adapter
        return [k for k in self.kept if (k.tenant, k.adapter) == owner]

    def _is_new(self, slot: Slot, tokens: list[int]) -> bool:
        return not any(common_prefix(k.tokens, tokens) == len(tokens) for k in self._like(slot))

    def _write(self, slot: Slot, tokens: list[int], size: int) -> None:
        begun = time.perf_counter()
        try:
            self._make_room(size)
            file = self._open()
            if not self.context.save(slot.index, _path(file), tokens):
                file.close()
                raise OSError("llama.cpp could not write it")  # noqa: TRY301  one way to report
            size = os.fstat(file.fileno()).st_size
            digest = _digest(file)
        except OSError as error:
            _log.warning("kv_not_spilled", tokens=len(tokens), bytes=size, reason=str(error))
            return
        self.costs.saved(size, time.perf_counter() - begun)
        self._supersede(slot, tokens)
        owner = slot.tenant, slot.adapter
        self.kept.append(Spilled(*owner, tokens, file, size, digest, time.monotonic()))
        self._make_room(0)
        self.saved += 1

    def _open(self) -> BufferedRandom:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self.folder)

    def _supersede(self, slot: Slot, tokens: list[int]) -> None:
        """Drop files whose tokens are a prefix of the new file's."""
        for old in self._like(slot):
            if common_prefix(old.tokens, tokens) == len(old.tokens):
                self._drop(old)

    def _make_room(self, size: int) -> None:
        while self.kept and (self.size + size > self.limit or len(self.kept) >= MOST_FILES):
            self._drop(min(self.kept, key=lambda k: k.used))

    def _drop(self, spilled: Spilled) -> None:
        self.kept.remove(spilled)
        spilled.file.close()


def _path(file: BufferedRandom) -> str:
    """A path to an unlinked file, for a library that opens by name."""
    file.seek(0)
    return f"/dev/fd/{file.fileno()}"


def _digest(file: BufferedRandom) -> bytes:
    file.seek(0)
    return file_digest(file, "blake2b").digest()
