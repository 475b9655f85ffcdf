"""The gate that several gateways share: each request runs one script in Redis.

Requests that Redis admits are also recorded here. Without Redis a gateway admits its share of the
limits, and afterwards merges its records into Redis (`membership`), so that nothing is given twice.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from modelyard.registry.billing.quota import Quota
from modelyard.serving.admission import keys
from modelyard.serving.admission.counts import CountedRequests, RequestCounts
from modelyard.serving.admission.gate import Admission
from modelyard.serving.admission.limits import Limits
from modelyard.serving.admission.pipe import Argument, Pipe, RedisGone, Script
from modelyard.serving.admission.quota_book import REMEMBERED, QuotaBook
from modelyard.serving.admission.refusals import quota_exceeded, rate_limited, too_busy
from modelyard.serving.admission.timings import SharedTimings
from modelyard.serving.errors import Limited
from modelyard.serving.wire.rate_headers import RateLimitStatus

ADMIT = Script.named("admit")
SETTLE = Script.named("settle")
RAISE = Script.named("raise")
SHARE = Script.named("share")
LET_IN = 1
REFUSED = 0
UNCOUNTED = -2


@dataclass(slots=True)
class RedisGate:
    """`pipe` leads to a Redis that knows all that this gateway knows; None if there is none."""

    limits: Limits
    counts: RequestCounts
    book: QuotaBook
    name: str
    timings: SharedTimings = field(default_factory=SharedTimings)
    pipe: Pipe | None = None
    epoch: bytes = b""
    owed: list[tuple[Argument, ...]] = field(default_factory=list[tuple[Argument, ...]])
    out_of_sync: asyncio.Event = field(default_factory=asyncio.Event)
    _number: int = 0
    _names: dict[tuple[str, int], list[Argument]] = field(
        default_factory=dict[tuple[str, int], list[Argument]]
    )
    _rates: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._rates = [n for rate in self.limits.rates for n in (rate.limit, rate.period_us)]

    async def admit(self, user_id: str) -> Admission:
        quota = (self.book.known(user_id) or await self.book.find(user_id)).in_force()
        self._number += 1
        key = f"{self.name}:{self._number}"
        reply = None
        if self.pipe is not None and (self.limits.limited or quota.request_limit):
            reply = await self._ask(self.pipe, key, quota)
        room = self.counts.admit(key, quota) if reply is None else self._heard(key, quota, reply)
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
        if self.pipe is None:
            return None
        try:
            lease_ms = self.timings.load_lease_ms
            return await self.pipe.run(SHARE, 1, keys.LOADS, self.name, load, lease_ms)
        except RedisGone:
            return None

    def changed(self, user_id: str) -> None:
        self.book.forget(user_id)

    async def _ask(self, pipe: Pipe, key: str, quota: Quota) -> list[Any] | None:
        """Redis' decision; None if Redis is lost or has lost its data."""
        epoch = self.epoch
        question = self._question(key, quota)
        try:
            reply = await pipe.run(ADMIT, *question)
            if reply[0] == UNCOUNTED:
                await self._raise(pipe, quota)
                reply = await pipe.run(ADMIT, *question)
        except RedisGone:
            return None
        except asyncio.CancelledError:
            self._give_back(key, quota, refund=bool(quota.request_limit))
            raise
        if reply[0] in (LET_IN, REFUSED):
            return reply
        if epoch == self.epoch:
            self.pipe = None
            self.out_of_sync.set()
        return None

    async def _raise(self, pipe: Pipe, quota: Quota) -> None:
        """Set Redis' count of a quota, which is missing or expired, from the database."""
        counted = (await self.book.written(quota.user_id)).request_count
        pipe.tell_run(RAISE, 1, keys.quota_of(quota.user_id, quota.period), counted)

    def _question(self, key: str, quota: Quota) -> list[Argument]:
        limits = self.limits
        most = quota.request_limit or -1
        names = self._names.get((quota.user_id, quota.period)) or self._name(quota)
        lease_us = self.timings.lease_us
        asked = (self.epoch, key, lease_us, limits.live, limits.user_live, most)
        return [*names, *asked, *self._rates]

    def _name(self, quota: Quota) -> list[Argument]:
        """The number of keys and the keys, cached because users repeat."""
        user_id = quota.user_id
        period = quota.period
        logs = [keys.log_of(rate, user_id) for rate in self.limits.rates]
        names: list[Argument] = [4 + len(logs), keys.EPOCH, keys.LIVE, keys.live_of(user_id)]
        names += (keys.quota_of(user_id, period), *logs)
        if len(self._names) >= REMEMBERED:
            self._names.clear()
        self._names[user_id, period] = names
        return names

    def _heard(self, key: str, quota: Quota, reply: list[Any]) -> RateLimitStatus | None:
        if reply[0] == REFUSED:
            raise self._refusal(quota, reply)
        _, now, count, limit, left, period_us = reply
        self.counts.enter(key, quota.user_id, now)
        if count:
            self.counts.used[quota.user_id] = CountedRequests(quota.period, count)
        return RateLimitStatus(limit, left, period_us / 1e6) if limit else None

    def _refusal(self, quota: Quota, reply: list[Any]) -> Limited:
        what: bytes = reply[1]
        if what == b"quota":
            return quota_exceeded(quota)
        if what == b"live":
            return too_busy(self.limits.live, per_user=False)
        if what == b"user_live":
            return too_busy(self.limits.user_live, per_user=True)
        retry_us, reset_us, number = reply[2:]
        return rate_limited(self.limits.rates[number], retry_us, reset_us)

    def _release(self, admission: Admission, used: bool) -> None:  # noqa: FBT001 - inner
        quota = admission.quota
        left = self.counts.leave(admission.key)
        refund = left and bool(quota.request_limit) and not used
        if refund:
            self.counts.refund(quota)
            self.book.count(quota, -1)
        if refund or self.limits.tracks_live:
            self._give_back(admission.key, quota, refund=refund)

    def _give_back(self, key: str, quota: Quota, *, refund: bool) -> None:
        user_id = quota.user_id
        places = (keys.LIVE, keys.live_of(user_id), keys.quota_of(user_id, quota.period))
        settlement = (3, *places, key, int(refund))
        if self.pipe is None:
            self.owed.append(settlement)
        else:
            self.pipe.tell_run(SETTLE, *settlement)
