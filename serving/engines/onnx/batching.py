"""Which waiting texts run in one batch: those for which one run, with padding, is cheaper."""

from collections.abc import Sequence
from dataclasses import dataclass

_LOOK = 64
"""Number of waiting texts, from the front, considered for a batch."""

_GAIN = 0.1
"""A text joins a batch if that saves at least this share of its cost alone."""


@dataclass(frozen=True, slots=True)
class BatchingPolicy:
    """Batch limits; `fixed` is a run's measured overhead in token equivalents."""

    fixed: float
    most_tokens: int
    most_texts: int = 64
    wait_s: float = 0.0

    def choose(self, lengths: Sequence[int], share: int) -> list[int]:
        """Indexes of the texts to run together, always with the first, at most `share` of them."""
        longest = lengths[0]
        chosen = [0]
        near = range(1, min(len(lengths), _LOOK))
        for index in sorted(near, key=lambda i: abs(lengths[i] - lengths[0])):
            if len(chosen) >= min(share, self.most_texts):
                break
            grown = max(longest, lengths[index])
            if self._joins(len(chosen), longest, grown, lengths[index]):
                longest = grown
                chosen.append(index)
        return chosen

    def _joins(self, count: int, longest: int, grown: int, length: int) -> bool:
        if grown * (count + 1) > self.most_tokens:
            return False
        padding = grown * (count + 1) - longest * count - length
        return self.fixed - padding >= _GAIN * (self.fixed + length)
