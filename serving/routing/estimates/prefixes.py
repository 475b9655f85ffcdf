"""Estimates which prompt prefixes each worker has cached, from what was sent there last."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

KEPT_TOKENS = 500_000
"""Assumed cache size of a worker, in tokens."""


@dataclass(slots=True)
class Prefixes:
    """One version's prompt blocks by hash, each with a bit mask of the workers that have it.

    A hash stands for a block and all before it. Versions share no cache.
    """

    block_tokens: int
    kept_tokens: int = KEPT_TOKENS
    _where: dict[int, int] = field(default_factory=dict[int, int])
    _recent: dict[int, OrderedDict[int, None]] = field(
        default_factory=dict[int, OrderedDict[int, None]]
    )

    def match(self, blocks: Sequence[int]) -> dict[int, int]:
        """Prompt tokens that each worker should have cached; workers with none are left out."""
        where = self._where
        found = dict[int, int]()
        having = -1
        depth = 0
        for block in blocks:
            still = having & where.get(block, 0)
            if still != having:
                if depth:
                    _note(having & ~still, depth * self.block_tokens, found)
                if not still:
                    return found
                having = still
            depth += 1
        if depth:
            _note(having, depth * self.block_tokens, found)
        return found

    def add(self, worker: int, blocks: Sequence[int]) -> None:
        """Record that the worker computes these blocks."""
        if not blocks:
            return
        recent = self._recent.setdefault(worker, OrderedDict())
        bit = 1 << worker
        for block in reversed(blocks):  # the first block is evicted last
            if block in recent:
                recent.move_to_end(block)
            else:
                recent[block] = None
                self._where[block] = self._where.get(block, 0) | bit
        while len(recent) > self.kept_tokens // self.block_tokens:
            self._drop(recent.popitem(last=False)[0], bit)

    def retract(self, worker: int, blocks: Sequence[int]) -> None:
        """Undo `add` for blocks that the worker will not compute."""
        recent = self._recent.get(worker, OrderedDict[int, None]())
        bit = 1 << worker
        for block in blocks:
            if block in recent:
                del recent[block]
                self._drop(block, bit)

    def forget(self, worker: int) -> None:
        """Drop all blocks of a worker."""
        for block in self._recent.pop(worker, ()):
            self._drop(block, 1 << worker)

    def _drop(self, block: int, bit: int) -> None:
        left = self._where.get(block, 0) & ~bit
        if left:
            self._where[block] = left
        else:
            self._where.pop(block, None)


def _note(workers: int, tokens: int, found: dict[int, int]) -> None:
    while workers:
        lowest = workers & -workers
        found[lowest.bit_length() - 1] = tokens
        workers ^= lowest
