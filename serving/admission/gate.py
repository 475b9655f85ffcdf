"""The gate: every request that is let in holds a reservation, which is settled exactly once."""

from collections.abc import Callable
from typing import Protocol

from modelyard.registry.billing.quotas import Quota
from modelyard.serving.wire.rate_headers import RateLimitStatus


class Admission:
    """A reservation; `room` is what is left of the tightest rate, `quota` the user's as it counts.

    It ends by `settle`, or by itself at its expiry: then its place is free again, and the request
    stays counted.
    """

    __slots__ = ("key", "quota", "release", "room")

    def __init__(
        self, key: str, quota: Quota, room: RateLimitStatus | None, release: "Release"
    ) -> None:
        self.key = key
        self.quota = quota
        self.room = room
        self.release: Release | None = release

    def settle(self, *, used: bool) -> None:
        """Give the place back; what was not used also leaves the quota. Later calls do nothing."""
        release, self.release = self.release, None
        if release is not None:
            release(self, used)


Release = Callable[[Admission, bool], None]


class Gate(Protocol):
    """Lets requests in within the limits."""

    async def admit(self, user_id: str) -> Admission:
        """Raises RateLimited, QuotaExceeded or TooBusy; each says in how many seconds to retry."""
        ...

    async def quota(self, user_id: str) -> Quota:
        """A user's quota with every request counted that this gateway let in."""
        ...

    async def exchange(self, load: bytes) -> list[bytes] | None:
        """Tell the other gateways this one's load; theirs, or None where they cannot be asked."""
        ...

    def changed(self, user_id: str) -> None:
        """A user's quota has been set: what is remembered of it goes."""
        ...
