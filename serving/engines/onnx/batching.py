"""Which waiting texts run together: those where one run is cheaper than two, padding and all."""

from collections.abc import Sequence
from dataclasses import dataclass

_LOOK = 64
"""So many waiting texts, from the front, are looked at for a batch."""

_GAIN = 0.1
"""A text joins a batch where that saves this part of what it would cost alone."""


@dataclass(frozen=True, slots=True)
class BatchingPolicy:
    """`fixed` is what a run costs whatever is in it, in tokens' worth: measured, not assumed."""

    fixed: float
    most_tokens: int
    most_texts: int = 64
    wait_s: float = 0.0

    def choose(self, lengths: Sequence[int], share: int) -> list[int]:
        """Indexes of the texts to run together, the first one always, at most `share` of them."""
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
