"""Promotes a version: prepares it, then moves the alias; at once if preparing is pointless."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import CHAMPION, ModelVersion
from modelyard.registry.catalog.preparations import Preparations, PromotionTicket
from modelyard.registry.database import Database
from modelyard.serving.errors import PromotionFailed
from modelyard.serving.routing.fleet.preparation import Preparation
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
from modelyard.serving.upstream.client import Upstream

CHECK_S = 1.0
"""Seconds between checks whether another promotion of the alias has begun."""


class PromotionOutcome(StrEnum):
    """Why the alias moved when it did."""

    PREPARED = "prepared"
    BOUND_REACHED = "bound_reached"
    NO_WORKER = "no_worker"
    NOT_WAITED = "not_waited"
    FORCED = "forced"


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """A requested promotion; waits at most `wait_s` for the version, 0 moves the alias at once.

    With `force` the alias moves even if the version cannot be loaded.
    """

    version: ModelVersion
    alias: str = CHAMPION
    wait_s: float = 300.0
    force: bool = False


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """A completed promotion: why the alias moved, the ready devices, and a message for people."""

    version: ModelVersion
    alias: str
    outcome: PromotionOutcome
    message: str
    devices: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Promoter:
    """Runs promotions; any process may, since all state is in the database."""

    database: Database
    snapshots: FleetSnapshotCache
    upstream: Upstream
    load_timeout_s: float

    async def promote(
        self, wanted: PromotionRequest, tell: Callable[[str], None]
    ) -> PromotionResult:
        """Prepare, then switch; `tell` receives progress; if cancelled, the alias does not move.

        Raises PromotionFailed, PromotionSuperseded, InvalidName or UnknownModel.
        """
        if wanted.wait_s <= 0:
            return await self._at_once(wanted)
        begun = time.monotonic()
        preparations = Preparations(self.database)
        ticket = await asyncio.to_thread(
            preparations.begin, wanted.version, wanted.alias, wanted.wait_s
        )
        try:
            result = await self._prepared(wanted, ticket, tell)
            version = await asyncio.to_thread(preparations.switch, ticket)
        finally:
            await asyncio.to_thread(preparations.give_up, ticket)
        return replace(result, version=version, seconds=time.monotonic() - begun)

    async def _at_once(self, wanted: PromotionRequest) -> PromotionResult:
        version = wanted.version
        alias = wanted.alias
        catalog = Catalog(self.database)
        moved = await asyncio.to_thread(catalog.set_alias, version.model, alias, version.number)
        why = "It was not waited for."
        return PromotionResult(moved, alias, PromotionOutcome.NOT_WAITED, why)

    async def _prepared(
        self, wanted: PromotionRequest, ticket: PromotionTicket, tell: Callable[[str], None]
    ) -> PromotionResult:
        """Prepare and return the result; raises PromotionFailed if the alias must not move."""
        preparation = Preparation(
            snapshots=self.snapshots,
            upstream=self.upstream,
            version_id=wanted.version.id,
            previous_id=ticket.previous_id,
            load_timeout_s=self.load_timeout_s,
            tell=tell,
        )
        in_time = await self._within(wanted.wait_s, preparation, ticket)
        outcome, message = judged(wanted, preparation, in_time=in_time)
        devices = tuple(sorted(preparation.ready))
        return PromotionResult(wanted.version, wanted.alias, outcome, message, devices)

    async def _within(
        self, seconds: float, preparation: Preparation, ticket: PromotionTicket
    ) -> bool:
        """Whether the preparation finished in time; raises PromotionSuperseded."""
        preparing = asyncio.create_task(preparation.run())
        checking = asyncio.create_task(self._check(ticket))
        both = {preparing, checking}
        try:
            done, _ = await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return preparing in done
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _check(self, ticket: PromotionTicket) -> None:
        """Check the ticket every CHECK_S; raises PromotionSuperseded once it is not valid."""
        while True:
            await asyncio.sleep(CHECK_S)
            await asyncio.to_thread(Preparations(self.database).check, ticket)


def judged(
    wanted: PromotionRequest, preparation: Preparation, *, in_time: bool
) -> tuple[PromotionOutcome, str]:
    """The outcome and its message; raises PromotionFailed if the alias must not move."""
    if preparation.ready and in_time:
        return PromotionOutcome.PREPARED, f"It answers on {', '.join(sorted(preparation.ready))}."
    if not in_time:
        late = f"It did not answer everywhere within {wanted.wait_s:g} s: first requests may wait."
        return PromotionOutcome.BOUND_REACHED, late
    if not preparation.refusals:
        return PromotionOutcome.NO_WORKER, "No worker is running that could load it."
    cause = preparation.refusals[-1]
    if wanted.force:
        return PromotionOutcome.FORCED, f"It cannot be loaded: {cause.message}"
    raise PromotionFailed(
        f"{wanted.version.ref} cannot be loaded, and {wanted.alias} stays where it was. "
        f"{cause.message}",
        fix=f"{cause.fix} To move the alias all the same, force it.".strip(),
    )
