"""What a prefix-aware baseline believes to be in each worker's cache: all that it sent there."""

from collections import OrderedDict
from dataclasses import dataclass, field

from benchmarks.routing.traces import BLOCK
from benchmarks.routing.worker import CACHE_TOKENS
from benchmarks.routing.workload import Request


@dataclass(slots=True)
class Believed:
    """One worker's blocks, the least recently used leave; as many as the worker really has."""

    _blocks: OrderedDict[tuple[int, int], None] = field(
        default_factory=OrderedDict[tuple[int, int], None]
    )

    def matched(self, request: Request) -> int:
        """Tokens of the prompt that should be there."""
        known = 0
        for block in request.blocks:
            if (request.model, block) not in self._blocks:
                break
            known += BLOCK
        return min(known, request.prompt)

    def add(self, request: Request) -> None:
        for block in reversed(request.blocks):
            self._blocks[(request.model, block)] = None
            self._blocks.move_to_end((request.model, block))
        while len(self._blocks) > CACHE_TOKENS // BLOCK:
            self._blocks.popitem(last=False)
