"""Whether a file of KV is worth it: seconds to write and read it against seconds to compute it."""

from dataclasses import dataclass
from typing import Protocol

from modelyard.serving.engines.llama_cpp.speed import Speed, follow

FEWEST = 32
"""Tokens that are not worth a file, however slow the model is."""

_DISK = 1e9  # bytes a second, until one was measured


class SpillCosts(Protocol):
    """Judges files of KV by how long the last ones took."""

    def worth_saving(self, tokens: int, size: int) -> bool:
        """Whether `tokens` that only a file of `size` bytes would keep are worth writing it."""
        ...

    def worth_loading(self, tokens: int, size: int) -> bool: ...

    def saved(self, size: int, seconds: float) -> None: ...

    def loaded(self, size: int, seconds: float) -> None: ...


@dataclass(slots=True)
class LearnedCosts:
    """Follows the disk's speed (bytes a second) and the speed at which prompts are read."""

    speed: Speed
    write_bps: float = _DISK
    read_bps: float = _DISK

    def worth_saving(self, tokens: int, size: int) -> bool:
        """Written now and perhaps read again: both have to be cheaper than computing."""
        seconds = size / self.write_bps + size / self.read_bps
        return tokens >= FEWEST and self._computing(tokens) > seconds

    def worth_loading(self, tokens: int, size: int) -> bool:
        return self._computing(tokens) > size / self.read_bps

    def saved(self, size: int, seconds: float) -> None:
        self.write_bps = follow(self.write_bps, size / seconds)

    def loaded(self, size: int, seconds: float) -> None:
        self.read_bps = follow(self.read_bps, size / seconds)

    def _computing(self, tokens: int) -> float:
        return tokens / self.speed.prefill_tps if self.speed.prefill_tps else 0.0
