"""When a version is loaded somewhere, and what leaves for it: only where that saves waiting."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from serving.routing.fleet_state import Lane, LaneState, Worker
from serving.routing.placement import BACKLOG_S, Asked, Move, Placement
from serving.routing.yard import Yard

LOOK_S = 1.0
"""Seconds between two searches for a better place for one version."""

FIRST_GAP, GAP_GROWTH, LONGEST_GAP_S = 1 / 3, 1.5, 120.0
"""After a move a version rests: a share of its load time, growing with each move."""

TURN_LOADS = 5.0
"""How often both loads fit into the longest turn of a version that has work."""

RETURN = 4.0
"""How many times its loss counts that a version's only home goes for a further one of another,
where memory is short: to come back it takes somebody's place, who then takes another's.
"""

HORIZON_S = 60.0

FULL_USE = 0.75
"""A version gets more homes ahead of need where those it has were used to this share."""

Gain = Callable[[Worker, float], float]
"""Request-seconds that a load on a worker saves if it takes so many seconds."""


@dataclass(slots=True)
class Mover:
    """Finds moves; the dispatcher carries them out.

    Both sides of a move are reckoned in seconds that requests wait, added up over the requests: a
    version takes a place when what waits for it gains at least as much as others will lose.
    """

    yard: Yard
    _next_look: dict[str, float] = field(default_factory=dict[str, float])
    _gap: dict[str, float] = field(default_factory=dict[str, float])

    def better(self, version: str, now: float) -> Move | None:
        """One more home for a version, if that saves the fleet enough waiting."""
        if self._next_look.get(version, 0.0) > now or self.yard.is_crowded():
            return None
        lanes = self.yard.lanes.get(version, ())
        if not lanes or sum((x.worker.recent.use(now) for x in lanes), 0.0) < FULL_USE * len(lanes):
            return None
        self._next_look[version] = now + LOOK_S
        yard = self.yard
        load_s = {v: yard.load_s(v) for v in yard.needs}
        placement = Placement(yard, load_s)
        move = placement.best_move(version, self.asked(version, now), now)
        if move is not None:
            first = yard.load_s(version) * FIRST_GAP
            gap = min(LONGEST_GAP_S, GAP_GROWTH * self._gap.get(version, first))
            self._gap[version] = gap
            self._next_look[version] = now + gap
        return move

    def forget(self, version: str) -> None:
        self._next_look.pop(version, None)
        self._gap.pop(version, None)

    def asked(self, version: str, now: float) -> dict[str, Asked]:
        """Demand by version; what waits counts too, at most doubling what has a home."""
        waits, found = self.waits(now), dict[str, Asked]()
        for name in dict.fromkeys((*self.yard.lanes, version, *waits)):
            demand = self.yard.demands.of(name)
            rate, backlog = demand.rate(now), waits.get(name, 0.0) / BACKLOG_S
            rate += backlog if self.yard.orphans.get(name) else min(backlog, rate)
            if rate > 1e-6 or name == version:
                found[name] = Asked(rate, demand.prompt, demand.output)
        return found

    def waits(self, now: float) -> Mapping[str, float]:
        """Requests that wait, by version; the longer nobody has it, the more each counts."""
        waits = dict[str, float]()
        for version, queue in self.yard.orphans.items():
            for ticket in queue:
                each = 1 + (now - ticket.arrived_at) / 10
                waits[version] = waits.get(version, 0.0) + each
        for worker in self.yard.workers:
            for ticket in worker.held:
                lane = ticket.lane
                if lane and lane.state is LaneState.READY and now - ticket.arrived_at > 1.0:
                    waits[ticket.version] = waits.get(ticket.version, 0.0) + 1
        return waits

    def turn(self, version: str, now: float) -> Move | None:
        """For one that nobody has: what was waited for it counts, so that turns come round."""
        queue, absence = self.yard.orphans.get(version), self._absence_s(version, now)
        waited = (now - queue[0].arrived_at) * (len(queue) + 1) / 2 if queue else 0.0
        return self._best(version, now, lambda _worker, _load_s: absence + waited)

    def more(self, version: str, prompt: float, cost: float, now: float) -> Move | None:
        """One home more: as much sooner as one request begins there, others that wait gain too."""
        yard, lanes = self.yard, self.yard.lanes[version]
        others = sum(lane.held for lane in lanes) / (1 + len(lanes))

        def gain(worker: Worker, load_s: float) -> float:
            own_s = prompt * yard.speeds.pace(worker.gpu, version).prefill.at(0)
            return (cost - load_s - own_s * worker.slowness - worker.wait_s(now)) * (1 + others)

        return self._best(version, now, gain, idle=True)

    def _best(self, version: str, now: float, gain: Gain, *, idle: bool = False) -> Move | None:
        """The move that saves the most; `idle`: only for lanes that have no work."""
        best, most, waiting = None, 0.0, self.yard.waiting()
        only = RETURN if idle and self.yard.is_crowded() else 1.0
        for worker in self.yard.workers:
            if not self.yard.may_load(worker, version, now):
                continue
            losses = {
                lane: self._loss(lane, version, now) * (1.0 if self._is_elsewhere(lane) else only)
                for lane in worker.lanes.values()
                if self._may_leave(lane, version, now, waiting) and not (idle and lane.busy)
            }
            victims = self._victims(worker, version, losses)
            if victims is None:
                continue
            load_s = self._drain_s(victims) + self.yard.load_s(version)
            queue_s = worker.wait_s(now) + worker.turn_s * len(worker.held)
            net = gain(worker, load_s) - queue_s - sum((losses[lane] for lane in victims), 0.0)
            if net > most or (net == most and best is None):
                best, most = Move(worker, version, victims, 0.0), net
        return best

    def _is_elsewhere(self, lane: Lane) -> bool:
        return len(self.yard.lanes[lane.version]) > 1

    def _may_leave(self, lane: Lane, version: str, now: float, waiting: int) -> bool:
        """One at work keeps its place for a turn: else, once much waits, all would be loading.

        A turn lasts as long as its worker would take for all that waits, at most some loads.
        """
        if lane.state is not LaneState.READY:
            return False
        most = TURN_LOADS * (self.yard.load_s(version) + self.yard.load_s(lane.version))
        turn_s = min(most, waiting * lane.worker.turn_s)
        return not lane.busy or now - lane.ready_at >= turn_s

    def _victims(
        self, worker: Worker, version: str, losses: dict[Lane, float]
    ) -> tuple[Lane, ...] | None:
        """Those that are missed least and suffice; None where there is no room to be had."""
        need, free, chosen = self.yard.needs[version], worker.free_memory, list[Lane]()
        for lane in sorted(losses, key=lambda lane: losses[lane]):
            if free < need:
                chosen.append(lane)
                free += lane.memory
        if free < need:
            return None
        for lane in chosen[::-1]:
            if free - lane.memory >= need:
                chosen.remove(lane)
                free -= lane.memory
        return tuple(chosen)

    def _loss(self, lane: Lane, version: str, now: float) -> float:
        """Request-seconds waited because a lane is gone until it could be back.

        What its other homes have no time for waits until then, the rest as long as they let it.
        """
        yard, demand = self.yard, self.yard.demands.of(lane.version)
        count = len(yard.orphans.get(version, ())) or 1
        serving_s = count * max(lane.worker.turn_s, self._prefill_s(lane.worker, version))
        loads_s = yard.load_s(version) + yard.load_s(lane.version)
        gone = self._drain_s((lane,)) + loads_s + serving_s
        others = [x for x in yard.lanes[lane.version] if x is not lane and x.is_staying]
        rate = demand.rate(now) / (1 + len(others))
        spare = sum((self._spare(x, now) for x in others), 0.0)
        lack = max(0.0, 1 - spare / rate) if rate else 0.0
        wait = min((x.worker.queue_s(now) for x in others), default=0.0)
        each = lack * gone + (1 - lack) * min(wait, gone / 2)
        return lane.held * each + rate * gone * (each - lack * gone / 2)

    def _spare(self, lane: Lane, now: float) -> float:
        """Requests a second that a worker could answer besides what it has."""
        worker, demand = lane.worker, self.yard.demands.of(lane.version)
        decode_s = demand.output * lane.pace.decode.at(worker.slots) * worker.slowness
        whole_s = self._prefill_s(worker, lane.version) + decode_s / worker.slots
        return max(0.0, 1 - worker.recent.use(now)) / whole_s

    def _prefill_s(self, worker: Worker, version: str) -> float:
        pace = self.yard.speeds.pace(worker.gpu, version)
        return self.yard.demands.of(version).prompt * pace.prefill.at(0) * worker.slowness

    def _absence_s(self, version: str, now: float) -> float:
        """Request-seconds of the next load, whenever it comes."""
        load_s, rate = self.yard.load_s(version), self.yard.demands.of(version).rate(now)
        return load_s * min(1.0, rate * HORIZON_S) * (1 + rate * load_s / 2)

    @staticmethod
    def _drain_s(victims: tuple[Lane, ...]) -> float:
        """Seconds until the last of what victims were sent is finished; some answers are long."""
        busy = [lane.worker for lane in victims if lane.busy > lane.held]
        if not busy:
            return 0.0
        return busy[0].turn_s * busy[0].slots * (1 + math.log(1 + busy[0].sent))
