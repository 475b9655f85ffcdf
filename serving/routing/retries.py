"""How often a request may be tried again elsewhere: a share of the traffic, and a little more."""

from dataclasses import dataclass

SHARE = 0.2
FLOOR = 10.0


@dataclass(slots=True)
class RetryBudget:
    """Every request earns a share of a retry; what is unspent is kept up to FLOOR."""

    _left: float = FLOOR

    def asked(self) -> None:
        if self._left < FLOOR:
            self._left = min(FLOOR, self._left + SHARE)

    def granted(self, requests: int) -> None:
        """An engine has ended: what it had may be tried elsewhere, whatever else is going on."""
        self._left += requests

    def spend(self) -> bool:
        """Whether one more retry is within the budget; if so, it is spent."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
