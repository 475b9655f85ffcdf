"""Keeps a gateway joined to the Redis it shares with others, and back in step after a loss.

Joining merges what this gateway knows into Redis: the times of its requests, its places, the counts
of its quotas. All of it is sent on the same pipe before the first admission, so Redis decides no
admission without it.
"""

import asyncio
import contextlib
import itertools
import math
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.billing.quota import Quota
from modelyard.registry.changes import changes_key
from modelyard.registry.logs import logger
from modelyard.serving.admission import keys
from modelyard.serving.admission.address import Address
from modelyard.serving.admission.pipe import Argument, Pipe, RedisGone, Script
from modelyard.serving.admission.redis_gate import ADMIT, RAISE, SETTLE, SHARE, RedisGate

BEAT_S = 0.5
"""Seconds between heartbeats; each also checks for changes by other processes."""

PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds between attempts to rejoin; the last value repeats."""

RENEW_EVERY = 12
"""Heartbeats between renewals of the places' leases."""

AT_ONCE = 2000
"""Times in one command at most, so that a merge does not block Redis."""

CATCH_UP_S = 5.0
SLACK_US = 1_000_000
"""Microseconds by which this gateway's and Redis' clocks may differ when Redis is lost."""

JOIN = Script.named("join")
MERGE = Script.named("merge")
WATCHED = (changes_key("users"), changes_key("api_keys"))

_log = logger("modelyard.admission")


@dataclass(slots=True)
class SharedClock:
    """This gateway's estimate of Redis' time in microseconds; it runs on without Redis."""

    offset_us: int = field(default_factory=lambda: (time.time_ns() - time.monotonic_ns()) // 1000)

    def __call__(self) -> int:
        return time.monotonic_ns() // 1000 + self.offset_us

    def set(self, now_us: int) -> None:
        self.offset_us = now_us - time.monotonic_ns() // 1000


@dataclass(slots=True)
class Membership:
    """Keeps `gate` joined to Redis; calls `changed` when any process has changed users or keys."""

    gate: RedisGate
    address: Address
    clock: SharedClock
    changed: Callable[[], None]
    patience_s: float
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    _lost_at: int = 0
    _seen: list[Any] = field(default_factory=list[Any])

    async def keep(self) -> None:
        """Join, stay joined and rejoin, for ever."""
        tries = 0
        while True:
            self.joined.clear()
            try:
                await self._be_in()
            except (OSError, TimeoutError, RedisGone) as error:
                tries = 0 if self.joined.is_set() else tries
                if tries == 0:
                    _log.warning("redis_lost", reason=str(error))
            await asyncio.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
            tries += 1

    def _lost(self) -> None:
        if self.gate.pipe is not None:
            self._lost_at = self.clock()
        self.gate.pipe = None
        self.gate.out_of_sync.set()

    async def _be_in(self) -> None:
        pipe = await self.address.connect(self._lost)
        try:
            run = await self._prepare(pipe)
            for beat in itertools.count(1):
                await self._beat(pipe, run)
                if beat % RENEW_EVERY == 0:
                    self._renew(pipe)
                    self.gate.counts.prune()
                await _wait(self.gate.out_of_sync, BEAT_S)
        finally:
            pipe.end("the gateway leaves")

    async def _prepare(self, pipe: Pipe) -> str:
        """Load the scripts; returns the id of this run of Redis."""
        for script in (ADMIT, SETTLE, SHARE, JOIN, MERGE, RAISE):
            await pipe.ask("SCRIPT", "LOAD", script.text)
        told: bytes = await pipe.ask("INFO", "server")
        return told.decode().partition("run_id:")[2][:40]

    async def _beat(self, pipe: Pipe, run: str) -> None:
        gate = self.gate
        gate.out_of_sync.clear()
        names = (keys.EPOCH, keys.GATEWAYS)
        epoch, now, gateways = await pipe.run(
            JOIN, 2, *names, run, uuid.uuid4().hex, gate.name, gate.timings.alive_us
        )
        self.clock.set(now)
        gate.counts.share(gateways)
        gate.counts.expire(now)
        if gate.pipe is None or epoch != gate.epoch:
            await self._come_in(pipe, epoch)
        seen = await pipe.ask("MGET", *WATCHED)
        if seen != self._seen:
            self._seen = seen
            self.changed()

    async def _come_in(self, pipe: Pipe, epoch: bytes) -> None:
        """Merge most of the state; then send the rest and open the gate without a pause."""
        gate = self.gate
        begun = self.clock()
        is_known = epoch == gate.epoch
        pipe.wait_at_most(CATCH_UP_S)
        for number, merge in enumerate(self._merges(self._lost_at - SLACK_US if is_known else 0)):
            pipe.tell_run(MERGE, *merge)
            if number % 100 == 99:
                await pipe.ask("PING")
        quotas = await self._quotas(is_known=is_known)
        await pipe.ask("PING")
        for merge in self._merges(begun - SLACK_US):
            pipe.tell_run(MERGE, *merge)
        for settlement in gate.owed if is_known else ():
            pipe.tell_run(SETTLE, *settlement)
        for quota in quotas:
            name = keys.quota_of(quota.user_id, quota.period)
            pipe.tell_run(RAISE, 1, name, quota.request_count)
        self._renew(pipe)
        pipe.wait_at_most(self.patience_s)
        if pipe.ended:
            raise RedisGone(pipe.ended)
        gate.owed.clear()
        gate.epoch = epoch
        gate.pipe = pipe
        self.joined.set()
        _log.info("redis_joined", gateways=gate.counts.gateways)

    async def _quotas(self, *, is_known: bool) -> list[Quota]:
        """Quotas that Redis may count too low, with the counts all gateways have written.

        A known Redis lacks only requests let in without it; a new one lacks everything.
        """
        used = self.gate.counts.used
        users = [user_id for user_id, u in used.items() if u.since or not is_known]
        try:
            return await self.gate.book.all_written(users)
        except SQLAlchemyError as error:
            _log.warning("quotas_not_merged", users=len(users), reason=str(error))
            return []

    def _merges(self, since_us: int) -> Iterator[tuple[Argument, ...]]:
        """Arguments for the merge script: every log's times after `since_us`, in batches."""
        for rate, user_id, log in self.gate.counts.all_logs():
            times = list(itertools.takewhile(lambda at: at > since_us, reversed(log)))[::-1]
            for first in range(0, len(times), AT_ONCE):
                part = map(self._entry, times[first : first + AT_ONCE])
                yield (1, keys.log_of(rate, user_id), rate.period_us, *part)

    def _entry(self, at: float) -> str:
        """A time as Redis' log stores it; this gateway's own times get its unique suffix."""
        whole = f"{math.ceil(at)}"
        return f"{whole}.{int(self.gate.name, 16) % 1_000_000:06d}" if at % 1 else whole

    def _renew(self, pipe: Pipe) -> None:
        """Extend every place by another lease."""
        limits = self.gate.limits
        lease_us = self.gate.timings.lease_us
        until = self.clock() + lease_us
        for key, (user_id, _) in self.gate.counts.places.items():
            if limits.live:
                pipe.tell("ZADD", keys.LIVE, until, key)
            if limits.user_live:
                pipe.tell("ZADD", keys.live_of(user_id), until, key)
                pipe.tell("PEXPIRE", keys.live_of(user_id), lease_us // 1000)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
