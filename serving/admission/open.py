"""Opens the gate that the settings ask for and runs its background tasks."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.database import Database
from modelyard.serving.admission.counts import RequestCounts
from modelyard.serving.admission.gate import Gate
from modelyard.serving.admission.limits import Limits
from modelyard.serving.admission.memory import LIFE_S, MemoryGate
from modelyard.serving.admission.quota_book import QuotaBook
from modelyard.serving.admission.timings import SharedTimings
from modelyard.serving.background_task import background_task
from modelyard.serving.settings import GatewaySettings

FIRST_JOIN_S = 1.0
"""Seconds that startup waits for Redis; without Redis the gateway admits its own share."""

PRUNE_EVERY_S = 60.0
_TIMINGS = SharedTimings()


def _nobody_listens() -> None: ...


@asynccontextmanager
async def open_gate(
    settings: GatewaySettings,
    db: Database,
    redis_url: str = "",
    changed: Callable[[], None] = _nobody_listens,
    *,
    timings: SharedTimings = _TIMINGS,
) -> AsyncGenerator[Gate]:
    """Open a gate in Redis, or in memory if there is no URL.

    `changed` is called when another process has changed users or keys; only with Redis.
    """
    book = QuotaBook.over(Quotas(db))
    opened = (
        _shared(settings, book, redis_url, changed, timings=timings)
        if redis_url
        else _own(Limits.of(settings), book)
    )
    async with opened as gate, background_task(book.keep()):
        try:
            yield gate
        finally:
            await book.write()


@asynccontextmanager
async def _own(limits: Limits, book: QuotaBook) -> AsyncGenerator[Gate]:
    gate = MemoryGate.of(limits, book)
    async with background_task(_keep_pruning(gate.counts)):
        yield gate


@asynccontextmanager
async def _shared(
    settings: GatewaySettings,
    book: QuotaBook,
    url: str,
    changed: Callable[[], None],
    *,
    timings: SharedTimings,
) -> AsyncGenerator[Gate]:
    from modelyard.serving.admission.address import Address
    from modelyard.serving.admission.membership import Membership, SharedClock
    from modelyard.serving.admission.redis_gate import RedisGate

    limits = Limits.of(settings)
    clock = SharedClock()
    counts = RequestCounts.of(limits, clock, int(LIFE_S * 1e6))
    gate = RedisGate(limits, counts, book, uuid.uuid4().hex[:12], timings)
    membership = Membership(gate, Address.of(url), clock, changed, settings.redis_patience_s)
    async with background_task(membership.keep()):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(membership.joined.wait(), FIRST_JOIN_S)
        yield gate


async def _keep_pruning(counts: RequestCounts) -> None:
    while True:
        await asyncio.sleep(PRUNE_EVERY_S)
        counts.prune()
