"""Tries suspects one at a time, each alone with an engine, which is kept for them until then."""

import asyncio
import time
from dataclasses import dataclass, field

from modelyard.registry.errors import ModelyardError
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica, ReplicaState
from modelyard.serving.routing.suspicion.suspects import Case, Stage, Suspects

STEP_S = 0.05
"""Seconds between two looks."""

PATIENCE_S = 10.0
LOADS = 2.0
"""For so many seconds, and loads of the version, an idle engine is waited for; then one is kept."""

TURN_S = 1.0
"""Seconds for which each that waits is held to keep the engine from others."""

WITHHELD_S = 10.0
"""What one that is cleared is answered waits so long for others' trials, and for the last's end."""

Place = asyncio.Future[PendingRequest | None]


@dataclass(slots=True, eq=False)
class _Waiting:
    """One that waits for its turn; its `place` is None where it need not be alone any more."""

    case: Case
    since: float
    place: Place


@dataclass(slots=True, eq=False)
class _Trial:
    """One that is or was tried; `cleared_at` once it is known not to be the one."""

    case: Case
    pending: PendingRequest
    cleared_at: float = 0.0

    def withheld_s(self, now: float) -> float:
        """For how long there has been something of a stream that its client might have."""
        first_at = self.pending.first_at
        return now - max(self.cleared_at, first_at) if first_at is not None else 0.0


@dataclass(slots=True, eq=False)
class _Turns:
    """One version's suspects, and the replica that is kept for them.

    `cleared` are those that are still in it and of whose answer no client has had a byte.
    """

    version: str
    waiting: list[_Waiting] = field(default_factory=list[_Waiting])
    replica: Replica | None = None
    tried: _Trial | None = None
    cleared: list[_Trial] = field(default_factory=list[_Trial])


@dataclass(slots=True)
class Trials:
    """All of it is on the way of requests alone that an engine had as it ended.

    One that is cleared stays where it is while the next is tried: its answer waits here, so that
    it can be asked for once more. Nobody's answer is broken who has had some of it.
    """

    core: Dispatcher
    suspects: Suspects
    patience_s: float = PATIENCE_S
    withheld_s: float = WITHHELD_S
    _turns: dict[str, _Turns] = field(default_factory=dict[str, _Turns])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def ask(self, case: Case) -> Place:
        """A place alone, in turn; None once there is no reason for one, an error where it is known.

        Who leaves cancels it; the place is to be ended as any other.
        """
        turns = self._turns.get(case.version.id)
        if turns is None:
            turns = self._turns[case.version.id] = _Turns(case.version.id)
            task = asyncio.ensure_future(self._take_turns(turns))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        place: Place = asyncio.get_running_loop().create_future()
        turns.waiting.append(_Waiting(case, time.monotonic(), place))
        return place

    async def _take_turns(self, turns: _Turns) -> None:
        """Until nobody waits and nobody is tried."""
        try:
            while turns.waiting or turns.tried is not None:
                self._step(turns, time.monotonic())
                await asyncio.sleep(STEP_S)
        finally:
            del self._turns[turns.version]
            self._over(turns)

    def _over(self, turns: _Turns) -> None:
        """Nobody is kept waiting, nor the engine kept from others, however it came to its end."""
        for trial in turns.cleared if turns.tried is None else (turns.tried, *turns.cleared):
            trial.case.may_go_on = True
        for waiting in turns.waiting:
            if not waiting.place.done():
                waiting.case.stage = Stage.ORDINARY
                waiting.place.set_result(None)
        if turns.replica is not None:
            self._share(turns.replica)

    def _step(self, turns: _Turns, now: float) -> None:
        self._look_after(turns, now)
        turns.waiting = [one for one in turns.waiting if not self._is_settled(one, now)]
        if turns.tried is None and turns.waiting:
            self._next(turns, now)

    def _is_settled(self, waiting: _Waiting, now: float) -> bool:
        """Whether it waits no longer: it has left, or its like was cleared or found out."""
        if waiting.place.done():
            return True
        try:
            if self.suspects.recall(waiting.case.digest, now) is None:
                waiting.case.stage = Stage.ORDINARY
                waiting.place.set_result(None)
        except ModelyardError as refused:
            waiting.place.set_exception(refused)
        return waiting.place.done()

    def _look_after(self, turns: _Turns, now: float) -> None:
        """Who is tried is cleared, or over; the engine may be gone."""
        replica = turns.replica
        trial = turns.tried
        if replica is not None and replica.worker.replicas.get(turns.version) is not replica:
            turns.replica = None
        if trial is not None and (trial.pending.is_over or _is_clear(trial, now)):
            turns.tried = None
            if not trial.pending.is_over:
                trial.cleared_at = now
                trial.case.stage = Stage.CLEARED
                self.suspects.clear(trial.case)
                turns.cleared.append(trial)
        for cleared in turns.cleared if turns.tried is None else ():
            cleared.case.may_go_on = cleared.withheld_s(now) >= self.withheld_s
        here = (trial for trial in turns.cleared if not trial.pending.is_over)
        turns.cleared = [trial for trial in here if not trial.case.may_go_on]

    def _next(self, turns: _Turns, now: float) -> None:
        """Who had been in its engine for the shortest time is the likeliest, and the first."""
        first = min(turns.waiting, key=lambda one: one.case.age_s)
        replica = turns.replica = turns.replica or self._kept(turns, now - first.since, now)
        if replica is None or replica.state is not ReplicaState.KEPT:
            return
        replica.ready_at = now + TURN_S * len(turns.waiting)
        if _sent(replica) > sum(trial.pending.replica is replica for trial in turns.cleared):
            return
        turns.waiting.remove(first)
        turns.tried = _Trial(first.case, self.core.alone(first.case.work, replica, now))
        first.case.stage = Stage.TRIED
        first.case.was_tried = True
        first.case.may_go_on = False
        first.place.set_result(turns.tried.pending)

    def _kept(self, turns: _Turns, waited_s: float, now: float) -> Replica | None:
        """An engine for them: one without work, one that is loading, or at last the least busy."""
        here = self.core.cluster.replicas.get(turns.version, ())
        replicas = [replica for replica in here if replica.worker.is_fit and replica.is_staying]
        if not here:
            self.core.begin(self.core.rebalancer.swap_in(turns.version, now), now)
        if not replicas:
            return None
        replica = min(replicas, key=lambda one: (_sent(one), one.state is not ReplicaState.READY))
        patience_s = self.patience_s + LOADS * self.core.cluster.load_s(turns.version)
        if _sent(replica) and waited_s < patience_s:
            return None
        replica.is_kept = True
        if replica.state is ReplicaState.READY:
            replica.state = ReplicaState.KEPT
        return replica

    def _share(self, replica: Replica) -> None:
        """It is everybody's again."""
        replica.is_kept = False
        if replica.state is ReplicaState.KEPT:
            self.core.loaded(replica, time.monotonic())


def _sent(replica: Replica) -> int:
    """The requests that its engine has."""
    return replica.busy - replica.held


def _is_clear(trial: _Trial, now: float) -> bool:
    """Whether it has been alone for long enough, or has begun to be answered.

    One that was being answered as its engine ended has to be there for the time.
    """
    case = trial.case
    pending = trial.pending
    begun = pending.first_at is not None and not case.began
    return begun or now - pending.sent_at > case.alone_s
