"""Decides when to load a version on a worker and what to evict: only if that saves waiting."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.fleet_state import Replica, ReplicaState, WorkerState
from modelyard.serving.routing.policy.placement import (
    BACKLOG_S,
    Migration,
    PlacementSearch,
    VersionDemand,
)

LOOK_S = 1.0
"""Seconds between two placement searches for one version."""

FIRST_GAP = 1 / 3
GAP_GROWTH = 1.5
LONGEST_GAP_S = 120.0
"""Pause before a version's next move: a share of its load time, growing with each move."""

TURN_LOADS = 5.0
"""The longest turn of a version that has work, in multiples of both versions' load times."""

RETURN = 4.0
"""Factor on the loss when, with memory short, a version's only replica leaves for an extra replica
of another version: to come back it must evict a version, which then evicts another.
"""

HORIZON_S = 60.0

FULL_USE = 0.75
"""A version gets more replicas once its workers' mean utilization reaches this share."""

Gain = Callable[[WorkerState, float], float]
"""Maps a worker and the seconds a load takes there to the request-seconds that it saves."""


@dataclass(slots=True)
class Rebalancer:
    """Finds migrations; the dispatcher carries them out.

    Gain and loss are in request-seconds of waiting: a version takes memory from others if its
    requests gain at least as much as the others' requests lose.
    """

    cluster: ClusterState
    _next_look: dict[str, float] = field(default_factory=dict[str, float])
    _gap: dict[str, float] = field(default_factory=dict[str, float])

    def rebalance(self, version: str, now: float) -> Migration | None:
        """One more replica of a version, if that saves the fleet enough waiting."""
        if self._next_look.get(version, 0.0) > now or self.cluster.is_crowded():
            return None
        replicas = self.cluster.replicas.get(version, ())
        if not replicas or sum((x.worker.recent.use(now) for x in replicas), 0.0) < FULL_USE * len(
            replicas
        ):
            return None
        self._next_look[version] = now + LOOK_S
        cluster = self.cluster
        load_s = {v: cluster.load_s(v) for v in cluster.needs}
        placement = PlacementSearch(cluster, load_s)
        move = placement.best_move(version, self.asked(version, now), now)
        if move is not None:
            first = cluster.load_s(version) * FIRST_GAP
            gap = min(LONGEST_GAP_S, GAP_GROWTH * self._gap.get(version, first))
            self._gap[version] = gap
            self._next_look[version] = now + gap
        return move

    def forget(self, version: str) -> None:
        self._next_look.pop(version, None)
        self._gap.pop(version, None)

    def asked(self, version: str, now: float) -> dict[str, VersionDemand]:
        """Demand by version, waiting requests included; they at most double a loaded version's."""
        waits = self.waits(now)
        found = dict[str, VersionDemand]()
        for name in dict.fromkeys((*self.cluster.replicas, version, *waits)):
            demand = self.cluster.demands.of(name)
            rate = demand.rate(now)
            backlog = waits.get(name, 0.0) / BACKLOG_S
            rate += backlog if self.cluster.orphans.get(name) else min(backlog, rate)
            if rate > 1e-6 or name == version:
                found[name] = VersionDemand(rate, demand.prompt, demand.output)
        return found

    def waits(self, now: float) -> Mapping[str, float]:
        """Waiting requests by version; those no worker can take count more the longer they wait."""
        waits = dict[str, float]()
        for version, queue in self.cluster.orphans.items():
            for pending in queue:
                each = 1 + (now - pending.arrived_at) / 10
                waits[version] = waits.get(version, 0.0) + each
        for worker in self.cluster.workers:
            for pending in worker.held:
                replica = pending.replica
                if (
                    replica
                    and replica.state is ReplicaState.READY
                    and now - pending.arrived_at > 1.0
                ):
                    waits[pending.version] = waits.get(pending.version, 0.0) + 1
        return waits

    def swap_in(self, version: str, now: float) -> Migration | None:
        """Load a version that no worker has; time already waited adds gain, so turns alternate."""
        queue = self.cluster.orphans.get(version)
        absence = self._absence_s(version, now)
        waited = (now - queue[0].arrived_at) * (len(queue) + 1) / 2 if queue else 0.0
        return self._best(version, now, lambda _worker, _load_s: absence + waited)

    def scale_out(self, version: str, prompt: float, cost: float, now: float) -> Migration | None:
        """One more replica; one request starts sooner there, and so does a share of those held."""
        cluster = self.cluster
        replicas = self.cluster.replicas[version]
        others = sum(replica.held for replica in replicas) / (1 + len(replicas))

        def gain(worker: WorkerState, load_s: float) -> float:
            own_s = prompt * cluster.speeds.pace(worker.gpu, version).prefill.at(0)
            return (cost - load_s - own_s * worker.slowness - worker.wait_s(now)) * (1 + others)

        return self._best(version, now, gain, idle=True)

    def _best(
        self, version: str, now: float, gain: Gain, *, idle: bool = False
    ) -> Migration | None:
        """The move that saves the most; with `idle`, only replicas without work are evicted."""
        best = None
        most = 0.0
        waiting = self.cluster.waiting()
        only = RETURN if idle and self.cluster.is_crowded() else 1.0
        for worker in self.cluster.workers:
            if not self.cluster.may_load(worker, version, now):
                continue
            losses = {
                replica: self._loss(replica, version, now)
                * (1.0 if self._is_elsewhere(replica) else only)
                for replica in worker.replicas.values()
                if self._may_leave(replica, version, now, waiting) and not (idle and replica.busy)
            }
            order = sorted(losses, key=lambda replica: losses[replica])
            victims = self.cluster.victims(worker, version, order)
            if victims is None:
                continue
            load_s = self._drain_s(victims) + self.cluster.load_s(version)
            queue_s = worker.wait_s(now) + worker.turn_s * len(worker.held)
            net = (
                gain(worker, load_s) - queue_s - sum((losses[replica] for replica in victims), 0.0)
            )
            if net > most or (net == most and best is None):
                best = Migration(worker, version, victims, 0.0)
                most = net
        return best

    def _is_elsewhere(self, replica: Replica) -> bool:
        return len(self.cluster.replicas[replica.version]) > 1

    def _may_leave(self, replica: Replica, version: str, now: float, waiting: int) -> bool:
        """Whether a replica may be evicted: if it is idle, or has been ready for a whole turn.

        Without turns, a large backlog would keep every worker loading. A turn is the time its
        worker would take for all waiting requests, at most TURN_LOADS times both load times.
        """
        if replica.state is not ReplicaState.READY:
            return False
        most = TURN_LOADS * (self.cluster.load_s(version) + self.cluster.load_s(replica.version))
        turn_s = min(most, waiting * replica.worker.turn_s)
        return not replica.busy or now - replica.ready_at >= turn_s

    def _loss(self, replica: Replica, version: str, now: float) -> float:
        """Request-seconds of waiting caused by a replica's absence until it could be back.

        Requests beyond the spare capacity of the version's other replicas wait until then; the
        rest wait in the queues of those replicas.
        """
        cluster = self.cluster
        demand = self.cluster.demands.of(replica.version)
        count = len(cluster.orphans.get(version, ())) or 1
        serving_s = count * max(replica.worker.turn_s, self._prefill_s(replica.worker, version))
        loads_s = cluster.load_s(version) + cluster.load_s(replica.version)
        gone = self._drain_s((replica,)) + loads_s + serving_s
        others = [x for x in cluster.replicas[replica.version] if x is not replica and x.is_staying]
        rate = demand.rate(now) / (1 + len(others))
        spare = sum((self._spare(x, now) for x in others), 0.0)
        lack = max(0.0, 1 - spare / rate) if rate else 0.0
        wait = min((x.worker.queue_s(now) for x in others), default=0.0)
        each = lack * gone + (1 - lack) * min(wait, gone / 2)
        return replica.held * each + rate * gone * (each - lack * gone / 2)

    def _spare(self, replica: Replica, now: float) -> float:
        """Requests per second that a worker could answer beyond its current load."""
        worker = replica.worker
        demand = self.cluster.demands.of(replica.version)
        decode_s = demand.output * replica.pace.decode.at(worker.slots) * worker.slowness
        whole_s = self._prefill_s(worker, replica.version) + decode_s / worker.slots
        return max(0.0, 1 - worker.recent.use(now)) / whole_s

    def _prefill_s(self, worker: WorkerState, version: str) -> float:
        pace = self.cluster.speeds.pace(worker.gpu, version)
        return self.cluster.demands.of(version).prompt * pace.prefill.at(0) * worker.slowness

    def _absence_s(self, version: str, now: float) -> float:
        """Request-seconds that a version's expected requests wait for its load."""
        load_s = self.cluster.load_s(version)
        rate = self.cluster.demands.of(version).rate(now)
        return load_s * min(1.0, rate * HORIZON_S) * (1 + rate * load_s / 2)

    @staticmethod
    def _drain_s(victims: tuple[Replica, ...]) -> float:
        """Seconds until the victims' last sent request ends, allowing for long answers."""
        busy = [replica.worker for replica in victims if replica.busy > replica.held]
        if not busy:
            return 0.0
        return busy[0].turn_s * busy[0].slots * (1 + math.log(1 + busy[0].sent))
