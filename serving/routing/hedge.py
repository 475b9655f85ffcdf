"""Asks one more worker where the first says nothing for long: who brings a byte first answers."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

from serving.routing.cost import Choice, cheapest
from serving.routing.dispatcher import LOOKAHEAD_S, Dispatcher
from serving.routing.fleet_state import Ticket
from serving.routing.reservation import Reservation
from serving.routing.response import EngineGone
from serving.routing.router import Router
from serving.routing.stream import Reply
from serving.routing.target import Target

Asking = Callable[[Target], Coroutine[None, None, Reply]]
_Asked = asyncio.Task[Reply]

REFUSED = 500
"""An answer of this status or above wins only where the other worker has none at all."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """`after_s`: so long an engine may bring nothing; an unstreamed answer comes all at once."""

    router: Router
    after_s: float

    async def first(self, held: Reservation, ask: Asking) -> Reply:
        """The answer that is here first; `held` is then the place that it comes from.

        Raises EngineGone where `held`'s engine is gone and no other answers.
        """
        own = asyncio.create_task(ask(held.target))
        try:
            await asyncio.wait({own}, timeout=self.after_s)
            other = None if own.done() else self._other(held)
            if other is None:
                return await own
            return await self._race(held, own, other, ask)
        except BaseException:
            _drop(own)
            raise

    async def _race(self, held: Reservation, own: _Asked, other: Reservation, ask: Asking) -> Reply:
        theirs = asyncio.create_task(ask(other.target))
        winner: _Asked | None = None
        try:
            winner = await _first(own, theirs)
            if _is_gone(theirs):
                other.gone()
            if winner is theirs:
                if _is_gone(own):
                    held.gone()
                held.trade(other)
            return winner.result()
        finally:
            for task in {own, theirs} - {winner}:
                _drop(task)
            other.end()

    def _other(self, held: Reservation) -> Reservation | None:
        """A place besides `held`, paid for by the budget of retries; None where there is none."""
        core, now = self.router.core, time.monotonic()
        choice = _free(core, held.ticket, now)
        if choice.lane is None or not self.router.budget.spend():
            return None
        ticket = core.also(held.ticket, choice.lane, choice.cached, now)
        self.router.act()
        return Reservation(self.router, held.version, ticket)


def _free(core: Dispatcher, first: Ticket, now: float) -> Choice:
    """The best of the workers that have the version and could begin with it at this moment."""
    free = frozenset(
        lane.worker.index
        for lane in core.yard.lanes.get(first.version, ())
        if lane is not first.lane
        and lane.worker.is_plain
        and lane.worker.wait_s(now) <= LOOKAHEAD_S
        and core.users.may_have(first.work, lane.worker.index)
        and core.users.may_begin(first.work, lane, now)
    )
    return cheapest(core.yard, Ticket(first.work, first.version, now), now, free)


async def _first(own: _Asked, theirs: _Asked) -> _Asked:
    """Who has an answer first; of two that have none, or refuse, whoever says more."""
    waiting = {own, theirs}
    while waiting:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in (own, theirs):
            if task.done() and not _is_gone(task) and task.result().status < REFUSED:
                return task
    return theirs if _is_gone(own) and not _is_gone(theirs) else own


def _is_gone(task: _Asked) -> bool:
    """Whether its engine ended without an answer."""
    return task.done() and not task.cancelled() and isinstance(task.exception(), EngineGone)


def _drop(task: _Asked) -> None:
    """End its engine's work, or close the answer that came all the same."""
    if not task.cancel() and not task.cancelled():
        with suppress(EngineGone):
            task.result().close()
