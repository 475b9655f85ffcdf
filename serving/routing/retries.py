"""The retry budget: a share of the traffic, plus a small reserve."""

from dataclasses import dataclass

SHARE = 0.2
FLOOR = 10.0


@dataclass(slots=True)
class RetryBudget:
    """Every request earns SHARE of a retry; unspent retries are kept up to FLOOR."""

    _left: float = FLOOR

    def asked(self) -> None:
        if self._left < FLOOR:
            self._left = min(FLOOR, self._left + SHARE)

    def granted(self, requests: int) -> None:
        """Add one retry for each request that an ended engine had, beyond FLOOR if need be."""
        self._left += requests

    def spend(self) -> bool:
        """Spend one retry; returns False if the budget has none left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
