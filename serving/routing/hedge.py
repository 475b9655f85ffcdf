"""Sends a slow request to a second worker as well; the first to return a byte answers."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

from modelyard.serving.routing.policy.cost import ReplicaChoice, cheapest
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest
from modelyard.serving.routing.policy.stealing import LOOKAHEAD_S
from modelyard.serving.routing.reservation import Reservation
from modelyard.serving.routing.router import Router
from modelyard.serving.upstream.response import EngineGone
from modelyard.serving.upstream.stream import Reply
from modelyard.serving.upstream.target import Target

Asking = Callable[[Target], Coroutine[None, None, Reply]]
_Asked = asyncio.Task[Reply]

REFUSED = 500
"""An answer with this status or above wins only if the other worker has none at all."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """Hedges after `after_s` seconds without a byte; an unstreamed answer comes all at once."""

    router: Router
    after_s: float

    async def first(self, held: Reservation, ask: Asking) -> Reply:
        """The first answer to arrive; `held` becomes the reservation that it comes from.

        Raises EngineGone if the engine of `held` is gone and no other answers.
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
        """A second reservation, paid from the retry budget; None if no worker or budget is left."""
        core = self.router.core
        now = time.monotonic()
        choice = _free(core, held.pending, now)
        if choice.replica is None or not self.router.may_retry():
            return None
        pending = core.also(held.pending, choice.replica, choice.cached, now)
        return Reservation(self.router, held.version, pending)


def _free(core: Dispatcher, first: PendingRequest, now: float) -> ReplicaChoice:
    """The best other worker that has the version and could start the request now."""
    free = [
        replica
        for replica in core.cluster.replicas.get(first.version, ())
        if replica is not first.replica
        and replica.worker.is_plain
        and replica.worker.wait_s(now) <= LOOKAHEAD_S
        and core.users.may_have(first.work, replica.worker.index)
        and core.users.may_begin(first.work, replica, now)
    ]
    return cheapest(core.cluster, PendingRequest(first.work, first.version, now), now, among=free)


async def _first(own: _Asked, theirs: _Asked) -> _Asked:
    """The first task with an answer below REFUSED; if there is none, one that at least answered."""
    waiting = {own, theirs}
    while waiting:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in (own, theirs):
            if task.done() and not _is_gone(task) and task.result().status < REFUSED:
                return task
    return theirs if _is_gone(own) and not _is_gone(theirs) else own


def _is_gone(task: _Asked) -> bool:
    """Whether the task's engine ended without an answer."""
    return task.done() and not task.cancelled() and isinstance(task.exception(), EngineGone)


def _drop(task: _Asked) -> None:
    """Cancel the task, which ends its engine's work, or close the answer if it has arrived."""
    if not task.cancel() and not task.cancelled():
        with suppress(EngineGone):
            task.result().close()
