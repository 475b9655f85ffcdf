"""A user's quota, and a change of its limits."""

from dataclasses import dataclass
from datetime import UTC, datetime

HIGHEST_PRIORITY = 5


@dataclass(frozen=True, slots=True)
class Quota:
    """A user's quota; a limit of 0 means unlimited, and no limit applies after `expiration_time`.

    `gpu_limit` is the number of devices on which the user may have requests at the same moment;
    `priority_limit` is the highest priority the user may ask for. Check limits against the result
    of `in_force`. Setting the count starts a new `period`: requests admitted in an earlier period
    but booked later do not count in the new one.
    """

    user_id: str
    gpu_limit: int = 0
    request_limit: int = 0
    request_count: int = 0
    priority_limit: int = HIGHEST_PRIORITY
    expiration_time: datetime | None = None
    period: int = 0

    def in_force(self) -> "Quota":
        """The quota in force at this moment: without limits once it has expired."""
        if self.expiration_time is None or datetime.now(UTC) < self.expiration_time:
            return self
        return Quota(self.user_id, request_count=self.request_count, period=self.period)


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """New limits set by an admin; a `request_count` of None leaves the count unchanged."""

    gpu_limit: int
    request_limit: int
    priority_limit: int
    expiration_time: datetime | None
    request_count: int | None = None
