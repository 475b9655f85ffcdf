"""The gate: every admitted request holds a reservation, which is settled exactly once."""

from collections.abc import Callable
from typing import Protocol

from modelyard.registry.billing.quota import Quota
from modelyard.serving.wire.rate_headers import RateLimitStatus


class Admission:
    """A reservation; `room` is what is left of the tightest rate, `quota` the quota that counts.

    It ends by `settle`, or when it expires: then its place is released, and the request stays
    counted.
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
        """Release the place, and the quota's request if not `used`; later calls do nothing."""
        release, self.release = self.release, None
        if release is not None:
            release(self, used)


Release = Callable[[Admission, bool], None]


class Gate(Protocol):
    """Admits requests within the limits."""

    async def admit(self, user_id: str) -> Admission:
        """Admit, or raise RateLimited, QuotaExceeded or TooBusy with the seconds to retry after."""
        ...

    async def quota(self, user_id: str) -> Quota:
        """A user's quota, including every request this gateway has let in."""
        ...

    async def remembered(self, user_id: str) -> Quota:
        """A user's quota as it is remembered here: its limits hold, its count may be behind."""
        ...

    def check(self, quota: Quota) -> None:
        """Raise QuotaExceeded or RateLimited where the user's next request would be refused now.

        It counts nothing, and goes by what this gateway has let in.
        """
        ...

    async def exchange(self, load: bytes) -> list[bytes] | None:
        """Publish this gateway's load and return the others'; None if they cannot be reached."""
        ...

    def changed(self, user_id: str) -> None:
        """Forget the remembered quota of a user, because it has been set."""
        ...
