"""What began in a step of time: requests, failures, tokens, times to the first token."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

FIRST_TOKEN_MS = (
    10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 350.0, 500.0, 750.0, 1000.0, 1500.0,
    2000.0, 3500.0, 5000.0, 10_000.0, 20_000.0, 60_000.0,
)  # fmt: skip
"""Upper bounds of the classes in which times to the first token are counted; the last is open."""


@dataclass(frozen=True, slots=True)
class TrafficStep:
    """What began in one step of time; `at` is its beginning in ms since 1970.

    `first_token_ms` counts requests by the classes of FIRST_TOKEN_MS, with one more for longer
    ones; requests whose engine never answered are in none.
    """

    at: int
    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    first_token_ms: dict[int, int] = field(default_factory=dict[int, int])

    def quantile_ms(self, share: float) -> float | None:
        """The time to first token that `share` (0..1) of requests stay within; None without any.

        Within a class times are taken to be spread evenly; beyond the last bound it is that bound.
        """
        return quantile_ms([self.first_token_ms], share)


def quantile_ms(counts: Iterable[dict[int, int]], share: float) -> float | None:
    """As `TrafficStep.quantile_ms`, over several steps together."""
    added: dict[int, int] = {}
    for each in counts:
        for place, count in each.items():
            added[place] = added.get(place, 0) + count
    return quantile_within(FIRST_TOKEN_MS, added, share)


def quantile_within(bounds: Sequence[float], counts: dict[int, int], share: float) -> float | None:
    """What `share` (0..1) of all that was counted stay within, by classes with these bounds."""
    left = share * sum(counts.values())
    for place, count in sorted(counts.items()):
        if left <= count:
            low = bounds[place - 1] if place else 0.0
            high = bounds[min(place, len(bounds) - 1)]
            return low + (high - low) * left / count
        left -= count
    return None
