"""Searches for migrations between workers that shorten the fleet's waiting."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.fleet_state import Replica, ReplicaState, WorkerState

HOMELESS_S = 1000.0
"""Assumed wait in seconds of a request for a version that no worker has."""

BACKLOG_S = 30.0
"""Waiting requests count as demand that arrives within this many seconds."""

KNEE = 0.9
LEAST_GAIN = 0.3
GAIN_SHARE = 0.1
"""A move must cut the mean number of waiting requests by LEAST_GAIN and by GAIN_SHARE of it."""

SETTLE = 2.0
"""A loaded version stays at least this many times its load time."""

ROUNDS = 6
DRAIN = 0.05
"""Penalty for each victim that still has work, in waiting requests."""


@dataclass(frozen=True, slots=True)
class Migration:
    """Load a version on a worker once its victims there have finished their requests."""

    worker: WorkerState
    version: str
    victims: tuple[Replica, ...]
    gain: float


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """An order to load a replica's version on its worker in place of `victims` (version ids)."""

    replica: Replica
    victims: tuple[str, ...]


@dataclass(slots=True)
class VersionDemand:
    """One version's demand: arrivals per second (waiting requests included), mean tokens."""

    rate: float
    prompt: float
    output: float


def waiting(use: float) -> float:
    """Seconds a request waits on a worker at this utilization; linear above KNEE."""
    if use < KNEE:
        return use / (1 - use)
    return KNEE / (1 - KNEE) + (use - KNEE) / (1 - KNEE) ** 2


@dataclass(slots=True)
class PlacementSearch:
    """One search, with speeds as estimated when it starts."""

    cluster: ClusterState
    load_s: Mapping[str, float]
    _cost: dict[tuple[int, str], float] = field(default_factory=dict[tuple[int, str], float])

    def best_move(
        self, version: str, asked: Mapping[str, VersionDemand], now: float
    ) -> Migration | None:
        """The move for a version that saves the most waiting; None if none saves enough."""
        homes = {name: self._homes(name) for name in asked}
        before = self.total(homes, asked)
        share = GAIN_SHARE * before if homes[version] else 0.0
        least = before - max(LEAST_GAIN, share)
        best = None
        for worker in self.cluster.workers:
            victims = self._victims(worker, version, asked, now)
            if victims is None:
                continue
            total = self.total(_after(homes, version, worker, victims), asked)
            total += DRAIN * sum(1 for replica in victims if replica.busy)
            if total < least:
                least = total
                best = Migration(worker, version, victims, before - total)
        return best

    def total(
        self, homes: Mapping[str, Sequence[WorkerState]], asked: Mapping[str, VersionDemand]
    ) -> float:
        """Mean number of waiting requests, with each version balanced across its workers."""
        shares = {
            v: {w.index: 1 / self.work_s(w, v, asked[v]) for w in where}
            for v, where in homes.items()
            if where
        }
        flows = self._flows(shares, asked)
        use = dict.fromkeys(range(len(self.cluster.workers)), 0.0)
        for _ in range(ROUNDS):
            shares = {
                v: {i: x / (0.05 + use[i]) ** 0.7 for i, x in weights.items()}
                for v, weights in shares.items()
            }
            flows = self._flows(shares, asked)
            use = self._use(flows, asked)
        at_home = sum(
            (x * waiting(use[i]) for flow in flows.values() for i, x in flow.items()), 0.0
        )
        return at_home + sum(
            (asked[v].rate * HOMELESS_S for v, where in homes.items() if not where), 0.0
        )

    def _flows(
        self, shares: Mapping[str, Mapping[int, float]], asked: Mapping[str, VersionDemand]
    ) -> dict[str, dict[int, float]]:
        """Requests per second of each version to each worker, in proportion to `shares`."""
        return {
            v: {i: asked[v].rate * x / sum(weights.values(), 0.0) for i, x in weights.items()}
            for v, weights in shares.items()
        }

    def _use(
        self, flows: Mapping[str, Mapping[int, float]], asked: Mapping[str, VersionDemand]
    ) -> dict[int, float]:
        use = dict.fromkeys(range(len(self.cluster.workers)), 0.0)
        for v, flow in flows.items():
            for i, rate in flow.items():
                use[i] += rate * self.work_s(self.cluster.workers[i], v, asked[v])
        return use

    def work_s(self, worker: WorkerState, version: str, asked: VersionDemand) -> float:
        """Worker seconds that one request of a version takes while all slots are busy."""
        key = (worker.index, version)
        known = self._cost.get(key)
        if known is None:
            pace = self.cluster.speeds.pace(worker.gpu, version)
            prefill = asked.prompt * pace.prefill.at(0)
            decode = asked.output * pace.decode.at(worker.slots) / worker.slots
            known = self._cost[key] = max(1e-4, (prefill + decode) * worker.slowness)
        return known

    def _homes(self, version: str) -> list[WorkerState]:
        replicas = self.cluster.replicas.get(version, ())
        return [
            x.worker for x in replicas if x.worker.is_fit and x.state is not ReplicaState.LEAVING
        ]

    def _victims(
        self, worker: WorkerState, version: str, asked: Mapping[str, VersionDemand], now: float
    ) -> tuple[Replica, ...] | None:
        """The least-requested replicas that free enough memory; None if that is impossible."""
        if not self.cluster.may_load(worker, version, now):
            return None
        may_go = [replica for replica in worker.replicas.values() if self._is_settled(replica, now)]
        order = sorted(may_go, key=lambda replica: self._worth(replica, asked))
        return self.cluster.victims(worker, version, order)

    def _is_settled(self, replica: Replica, now: float) -> bool:
        if replica.state is not ReplicaState.READY:
            return False
        return now - replica.ready_at >= SETTLE * self.load_s.get(replica.version, 0.0)

    def _worth(self, replica: Replica, asked: Mapping[str, VersionDemand]) -> float:
        known = asked.get(replica.version)
        others = len(self.cluster.replicas[replica.version]) - 1
        return (known.rate if known else 0.0) / (1 + 3 * others)


def _after(
    homes: Mapping[str, list[WorkerState]],
    version: str,
    worker: WorkerState,
    victims: Iterable[Replica],
) -> dict[str, list[WorkerState]]:
    after = {**homes, version: [*homes[version], worker]}
    for victim in victims:
        if victim.version in after:
            after[victim.version] = [w for w in after[victim.version] if w is not worker]
    return after
