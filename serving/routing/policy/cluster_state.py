"""The dispatcher's view of the fleet: workers, replicas, and the estimates learned about them."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from modelyard.registry.victims import enough_victims
from modelyard.serving.routing.estimates.demand import Demands
from modelyard.serving.routing.estimates.prefixes import Prefixes
from modelyard.serving.routing.estimates.speeds import SpeedEstimates
from modelyard.serving.routing.policy.fleet_state import (
    PendingRequest,
    Replica,
    ReplicaState,
    WorkerState,
)
from modelyard.serving.routing.policy.overtaking import Overtaking, QueueOrder

LOAD_BASE_S = 2.0
LOAD_PER_S = 1.5e9
"""Assumed load time until one is measured: a base in seconds, plus bytes per second."""

EVICT_S = 0.5

MOST_VERSIONS = 1000
FORGOTTEN_RATE = 1e-5
"""Above MOST_VERSIONS, versions without a replica and with less than daily requests are dropped."""


@dataclass(slots=True)
class ClusterState:
    """Workers, replicas, orphaned requests and learned estimates.

    `needs` is each version's memory in the unit of the workers' memory (bytes). `orphans` are the
    requests that no worker can take yet, by version.
    """

    block_tokens: int
    memory_unit: float = 1.0
    order: QueueOrder = QueueOrder.BALANCED
    workers: list[WorkerState] = field(default_factory=list[WorkerState])
    replicas: dict[str, list[Replica]] = field(default_factory=dict[str, list[Replica]])
    needs: dict[str, float] = field(default_factory=dict[str, float])
    speeds: SpeedEstimates = field(default_factory=SpeedEstimates)
    demands: Demands = field(default_factory=Demands)
    orphans: dict[str, deque[PendingRequest]] = field(
        default_factory=dict[str, deque[PendingRequest]]
    )
    refused: dict[tuple[int, str], float] = field(default_factory=dict[tuple[int, str], float])
    vacant: list[int] = field(default_factory=list[int])
    _prefixes: dict[str, Prefixes] = field(default_factory=dict[str, Prefixes])

    def add_worker(self, device_id: str, gpu: str, slots: int) -> WorkerState:
        """Add a new device; it takes a vacant index if a device has left for good."""
        place = self.vacant.pop() if self.vacant else len(self.workers)
        overtaking = Overtaking(self.order)
        worker = WorkerState(place, device_id, gpu, slots, 0.0, overtaking=overtaking)
        self.workers[place : place + 1] = [worker]
        return worker

    def vacate(self, worker: WorkerState) -> None:
        """Free the index of a device that has left for good and has no work."""
        self.vacant.append(worker.index)
        for key in [key for key in self.refused if key[0] == worker.index]:
            del self.refused[key]

    def prune(self, now: float) -> list[str]:
        """Drop expired refusals and, above MOST_VERSIONS, versions that are no longer requested."""
        for key in [key for key, until in self.refused.items() if until <= now]:
            del self.refused[key]
        if len(self.needs) <= MOST_VERSIONS:
            return []
        over = [version for version in self.needs if self._is_over(version, now)]
        for version in over:
            for known in (self.needs, self.replicas, self.orphans, self._prefixes):
                known.pop(version, None)
            self.demands.forget(version)
            self.speeds.forget(version)
        return over

    def _is_over(self, version: str, now: float) -> bool:
        if self.replicas.get(version) or self.orphans.get(version):
            return False
        return self.demands.of(version).rate(now) < FORGOTTEN_RATE

    def prefixes(self, version: str) -> Prefixes:
        known = self._prefixes.get(version)
        if known is None:
            known = self._prefixes[version] = Prefixes(self.block_tokens)
        return known

    def retract(self, pending: PendingRequest, replica: Replica) -> None:
        """Undo the prefix blocks assumed for an unsent request; blocks cached before stay."""
        if pending.work.prefix:
            known = int(pending.work.prompt_tokens - pending.uncached) // self.block_tokens
            self.prefixes(replica.version).retract(
                replica.worker.index, pending.work.prefix[known:]
            )

    def add_replica(
        self,
        worker: WorkerState,
        version: str,
        now: float,
        *,
        state: ReplicaState = ReplicaState.READY,
        ready_at: float = 0.0,
    ) -> Replica:
        """Add a replica of a version on a worker, ready now or at `ready_at`."""
        replica = self._replica(worker, version, now, state=state, ready_at=ready_at)
        worker.replicas[version] = replica
        self.replicas.setdefault(version, []).append(replica)
        return replica

    def coming_replica(self, worker: WorkerState, version: str, now: float) -> Replica:
        """A hypothetical replica whose load starts now; it is not added to the state."""
        ready_at = now + self.load_s(version)
        loading = ReplicaState.LOADING
        return self._replica(worker, version, now, state=loading, ready_at=ready_at)

    def _replica(
        self,
        worker: WorkerState,
        version: str,
        now: float,
        *,
        state: ReplicaState,
        ready_at: float,
    ) -> Replica:
        pace = self.speeds.pace(worker.gpu, version)
        replica = Replica(worker, version, self.needs.get(version, 0.0), pace, state, ready_at, now)
        replica.learned()
        return replica

    def drop_replica(self, replica: Replica) -> None:
        """Remove a replica together with its known prefix blocks."""
        if replica.worker.replicas.get(replica.version) is replica:
            del replica.worker.replicas[replica.version]
            self.replicas[replica.version].remove(replica)
            self.prefixes(replica.version).forget(replica.worker.index)

    def load_s(self, version: str) -> float:
        """Seconds to load a version on a worker that has room: measured, else assumed."""
        known = self.demands.of(version).load_s
        return known or LOAD_BASE_S + self.needs.get(version, 0.0) * self.memory_unit / LOAD_PER_S

    def may_load(self, worker: WorkerState, version: str, now: float) -> bool:
        """Whether the worker can load the version now; a refusal blocks it for a while."""
        if not worker.is_fit or worker.is_moving or version in worker.replicas:
            return False
        refused_until = self.refused.get((worker.index, version), 0.0)
        return worker.memory >= self.needs[version] and refused_until <= now

    def victims(
        self, worker: WorkerState, version: str, order: Iterable[Replica]
    ) -> tuple[Replica, ...] | None:
        """The first replicas of `order` that free enough memory; None if even all are too few.

        The caller orders them, the least costly to lose first: the placement search by request
        rate, swaps and scale-outs by the seconds that the evicted version's requests would wait.
        """
        missing = self.needs[version] - worker.free_memory
        leaving = enough_victims(order, missing, lambda replica: replica.memory)
        return None if leaving is None else tuple(leaving)

    def is_everywhere(self, version: str) -> bool:
        """Whether every worker has the version or is loading it."""
        return len(self.replicas.get(version, ())) >= len(self.workers)

    def orphan(self, pending: PendingRequest) -> None:
        self.orphans.setdefault(pending.version, deque()).append(pending)

    def waiting(self) -> int:
        """The number of requests not yet sent to a worker."""
        held = sum(len(worker.held) for worker in self.workers)
        return held + sum(len(queue) for queue in self.orphans.values())

    def is_crowded(self) -> bool:
        """Whether the requested versions exceed the fleet's memory and so must take turns."""
        asked = sum((n for v, n in self.needs.items() if self.demands.of(v).is_wanted), 0.0)
        return asked > sum((w.memory for w in self.workers if w.is_fit), 0.0)
