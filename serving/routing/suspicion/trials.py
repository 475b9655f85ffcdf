"""Runs suspect requests one at a time, each alone on an engine that is reserved for them."""

import asyncio
import time
from dataclasses import dataclass, field

from modelyard.registry.errors import ModelyardError
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica, ReplicaState
from modelyard.serving.routing.suspicion.suspects import Case, Stage, Suspects

STEP_S = 0.05
"""Seconds between two steps of a version's trials."""

PATIENCE_S = 10.0
LOADS = 2.0
"""Wait for an idle engine, PATIENCE_S plus LOADS load times; then a busy one is reserved."""

TURN_S = 1.0
"""Seconds that each waiting suspect is assumed to keep the engine from other requests."""

WITHHELD_S = 10.0
"""Seconds that a cleared answer is withheld for further trials, plus the rest of a running one."""

Place = asyncio.Future[PendingRequest | None]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A suspect waiting for its turn; `place` yields None if it need not run alone any more."""

    case: Case
    since: float
    place: Place


@dataclass(slots=True, eq=False)
class _Trial:
    """A suspect that runs or ran alone; `cleared_at` is when it was found not to be the cause."""

    case: Case
    pending: PendingRequest
    cleared_at: float = 0.0

    def withheld_s(self, now: float) -> float:
        """Seconds for which a first token has been available and kept from the client."""
        first_at = self.pending.first_at
        return now - max(self.cleared_at, first_at) if first_at is not None else 0.0


@dataclass(slots=True, eq=False)
class _Turns:
    """One version's suspects and the replica reserved for them.

    `cleared` are the cleared ones still running there whose answers are withheld so far.
    """

    version: str
    waiting: list[_Waiting] = field(default_factory=list[_Waiting])
    replica: Replica | None = None
    tried: _Trial | None = None
    cleared: list[_Trial] = field(default_factory=list[_Trial])


@dataclass(slots=True)
class Trials:
    """Trials of suspects; other requests never pass through here.

    A cleared request keeps running on the engine while the next is tried. Its answer is withheld,
    so that it can be repeated if the engine ends: no client sees its answer break off.
    """

    core: Dispatcher
    suspects: Suspects
    patience_s: float = PATIENCE_S
    withheld_s: float = WITHHELD_S
    _turns: dict[str, _Turns] = field(default_factory=dict[str, _Turns])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def ask(self, case: Case) -> Place:
        """Queue a case for its turn; the future yields a reservation alone on an engine.

        It yields None once the case need not run alone, and raises if the case is refused. A
        caller that leaves cancels it; the caller ends the reservation like any other.
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
        """Step until no suspect waits and none is tried."""
        try:
            while turns.waiting or turns.tried is not None:
                self._step(turns, time.monotonic())
                await asyncio.sleep(STEP_S)
        finally:
            del self._turns[turns.version]
            self._over(turns)

    def _over(self, turns: _Turns) -> None:
        """Release waiting and withheld requests and the reserved engine, even after an error."""
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
        """Whether the wait is over: the caller left, or an equal request was cleared or refused."""
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
        """Update the trials: a lost engine, a finished or cleared trial, answers to release."""
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
        """Start the next trial; the suspect its engine had for the shortest time goes first."""
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
        """Reserve an engine: an idle one, a loading one, or after the patience the least busy."""
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
        """Return the reserved engine to normal routing."""
        replica.is_kept = False
        if replica.state is ReplicaState.KEPT:
            self.core.loaded(replica, time.monotonic())


def _sent(replica: Replica) -> int:
    """The number of requests on the replica's engine."""
    return replica.busy - replica.held


def _is_clear(trial: _Trial, now: float) -> bool:
    """Whether the suspect has run alone for long enough, or its answer has started.

    If its answer had started before its engine ended, only the time counts.
    """
    case = trial.case
    pending = trial.pending
    begun = pending.first_at is not None and not case.began
    return begun or now - pending.sent_at > case.alone_s
