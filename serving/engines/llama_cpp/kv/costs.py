"""Whether spilling KV to a file pays: seconds to write and read it against recomputing it."""

from dataclasses import dataclass
from typing import Protocol

from modelyard.serving.engines.llama_cpp.speed import Speed, follow

FEWEST = 32
"""Minimum tokens worth a file, however slow the model is."""

_DISK = 1e9  # bytes per second, until measured


class SpillCosts(Protocol):
    """Judges KV files by how long the last ones took."""

    def worth_saving(self, tokens: int, size: int) -> bool:
        """Whether a file of `size` bytes is worth writing to keep `tokens` tokens of KV."""
        ...

    def worth_loading(self, tokens: int, size: int) -> bool: ...

    def saved(self, size: int, seconds: float) -> None: ...

    def loaded(self, size: int, seconds: float) -> None: ...


@dataclass(slots=True)
class LearnedCosts:
    """Tracks the disk's speed in bytes per second and the model's prefill speed."""

    speed: Speed
    write_bps: float = _DISK
    read_bps: float = _DISK

    def worth_saving(self, tokens: int, size: int) -> bool:
        """Whether writing now and reading later together take less time than recomputing."""
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
