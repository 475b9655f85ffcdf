"""A gateway's cached quotas, and the request counts it still has to write to the database."""

import asyncio
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.billing.quota import Quota
from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.database import utc_now
from modelyard.registry.logs import logger
from modelyard.serving.cache import SingleFlightCache

REMEMBERED = 20_000
"""Quotas remembered at most; one changed elsewhere is forgotten at the next beat."""

OVERLAP = timedelta(seconds=30)
"""How far the clocks of this gateway and of processes that change quotas may differ."""

BEAT_S = 0.5
"""Seconds between beats: changes are seen within one; a kill -9 may lose the counts of one."""

_log = logger("modelyard.admission")


@dataclass(slots=True)
class QuotaBook:
    """Remembers quotas until they change, and counts requests in batches."""

    quotas: Quotas
    _recent: SingleFlightCache[str, Quota]
    known: Callable[[str], Quota | None]  # from the cache, without waiting
    owed: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    _heard: datetime = field(default_factory=utc_now)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def over(cls, quotas: Quotas) -> "QuotaBook":
        recent = SingleFlightCache(quotas.find, seconds=math.inf, entries=REMEMBERED)
        return cls(quotas, recent, recent.known)

    async def find(self, user_id: str) -> Quota:
        return await self._recent.get(user_id)

    def forget(self, user_id: str) -> None:
        self._recent.forget(user_id)

    def count(self, quota: Quota, requests: int) -> None:
        """Count requests (negative: refund them); they are written at the next beat."""
        key = (quota.user_id, quota.period)
        self.owed[key] = self.owed.get(key, 0) + requests

    async def write(self) -> None:
        """Write pending counts; if the database fails, they stay pending."""
        async with self._writing:
            owed, self.owed = {k: n for k, n in self.owed.items() if n}, {}
            if not owed:
                return
            try:
                await asyncio.to_thread(self.quotas.book, owed)
            except SQLAlchemyError as error:
                for key, requests in owed.items():
                    self.owed[key] = self.owed.get(key, 0) + requests
                _log.warning("quotas_not_written", users=len(owed), reason=str(error))

    async def written(self, user_id: str) -> Quota:
        """A quota that includes every request counted here."""
        await self.write()
        self.forget(user_id)
        return await self.find(user_id)

    async def all_written(self, user_ids: Collection[str]) -> list[Quota]:
        """Like `written`, for those of many users who have a quota."""
        await self.write()
        return await asyncio.to_thread(self.quotas.find_all, user_ids)

    async def keep(self) -> None:
        """Write pending counts and forget changed quotas, for ever."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self.write()
            try:
                changed = await asyncio.to_thread(self.quotas.changed_since, self._heard - OVERLAP)
            except SQLAlchemyError as error:
                _log.warning("quotas_not_read", reason=str(error))
                continue
            self._heard = utc_now()
            for user_id in changed:
                self.forget(user_id)
