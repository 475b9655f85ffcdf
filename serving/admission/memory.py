"""The gate of a single gateway: limits are kept in memory."""

import time
from dataclasses import dataclass

from modelyard.registry.billing.quota import Quota
from modelyard.serving.admission.counts import RequestCounts
from modelyard.serving.admission.gate import Admission
from modelyard.serving.admission.limits import Limits
from modelyard.serving.admission.quota_book import QuotaBook

LIFE_S = 7200.0
"""Seconds after which a request that was never settled loses its place."""


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


@dataclass(slots=True)
class MemoryGate:
    """Admits from memory; waits only to read a quota that is not remembered."""

    counts: RequestCounts
    book: QuotaBook
    _number: int = 0

    @classmethod
    def of(cls, limits: Limits, book: QuotaBook, *, life_s: float = LIFE_S) -> "MemoryGate":
        return cls(RequestCounts.of(limits, monotonic_us, int(life_s * 1e6)), book)

    async def admit(self, user_id: str) -> Admission:
        quota = (self.book.known(user_id) or await self.book.find(user_id)).in_force()
        self._number += 1  # clients choose request ids, so two may be equal
        key = f"{self._number}"
        room = self.counts.admit(key, quota)
        if quota.request_limit:
            self.book.count(quota, 1)
        return Admission(key, quota, room, self._release)

    async def quota(self, user_id: str) -> Quota:
        return await self.book.written(user_id)

    async def remembered(self, user_id: str) -> Quota:
        return self.book.known(user_id) or await self.book.find(user_id)

    def check(self, quota: Quota) -> None:
        self.counts.check(quota)

    async def exchange(self, load: bytes) -> list[bytes] | None:
        """Return None: there are no other gateways."""

    def changed(self, user_id: str) -> None:
        self.book.forget(user_id)

    def _release(self, admission: Admission, used: bool) -> None:  # noqa: FBT001 - inner
        quota = admission.quota
        left = self.counts.leave(admission.key)
        if left and quota.request_limit and not used:
            self.counts.refund(quota)
            self.book.count(quota, -1)
