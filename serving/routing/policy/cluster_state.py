"""The fleet a dispatcher decides on: workers, what stands where, and what is learned of them."""

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

LOAD_BASE_S = 2.0
LOAD_PER_S = 1.5e9
"""What a load is held to take before one was seen: so many seconds and bytes a second."""

EVICT_S = 0.5

MOST_VERSIONS = 1000
FORGOTTEN_RATE = 1e-5
"""Of more versions those are forgotten that are nowhere and asked for less than daily."""


@dataclass(slots=True)
class ClusterState:
    """`needs` is the memory of each version, in the unit of the workers' memory (bytes).

    `orphans` are requests that no worker can take yet, by version.
    """

    block_tokens: int
    memory_unit: float = 1.0
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
        """A device that nothing is known of, in the place of one that has left for good."""
        place = self.vacant.pop() if self.vacant else len(self.workers)
        worker = WorkerState(place, device_id, gpu, slots, 0.0)
        self.workers[place : place + 1] = [worker]
        return worker

    def vacate(self, worker: WorkerState) -> None:
        """A device has left for good, with nothing on it: another may have its place."""
        self.vacant.append(worker.index)
        for key in [key for key in self.refused if key[0] == worker.index]:
            del self.refused[key]

    def prune(self, now: float) -> list[str]:
        """Forget refusals that are over and, of too many versions, those that nobody asks for."""
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
        """What a worker has not begun it will not have: what it knew before stays."""
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
        """A version on a worker, ready or from `ready_at` on."""
        replica = self._replica(worker, version, now, state=state, ready_at=ready_at)
        worker.replicas[version] = replica
        self.replicas.setdefault(version, []).append(replica)
        return replica

    def coming_replica(self, worker: WorkerState, version: str, now: float) -> Replica:
        """A version on a worker as if it were loaded there from now on: nothing is changed."""
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
        """The version is no longer there, nor what it remembered of prompts."""
        if replica.worker.replicas.get(replica.version) is replica:
            del replica.worker.replicas[replica.version]
            self.replicas[replica.version].remove(replica)
            self.prefixes(replica.version).forget(replica.worker.index)

    def load_s(self, version: str) -> float:
        """Seconds until a version is ready on a worker that has room."""
        known = self.demands.of(version).load_s
        return known or LOAD_BASE_S + self.needs.get(version, 0.0) * self.memory_unit / LOAD_PER_S

    def may_load(self, worker: WorkerState, version: str, now: float) -> bool:
        """Whether the worker could ever have the version; a refusal is believed for a while."""
        if not worker.is_fit or worker.is_moving or version in worker.replicas:
            return False
        refused_until = self.refused.get((worker.index, version), 0.0)
        return worker.memory >= self.needs[version] and refused_until <= now

    def victims(
        self, worker: WorkerState, version: str, order: Iterable[Replica]
    ) -> tuple[Replica, ...] | None:
        """Of those that may leave, the least missed first, what makes room; None where nothing can.

        The order is the caller's: a search for better places goes by what each version is asked
        for, a swap by what its own requests would wait, since that one has somebody waiting.
        """
        missing = self.needs[version] - worker.free_memory
        leaving = enough_victims(order, missing, lambda replica: replica.memory)
        return None if leaving is None else tuple(leaving)

    def is_everywhere(self, version: str) -> bool:
        """Whether every worker has it or is about to: there is nowhere left to load it."""
        return len(self.replicas.get(version, ())) >= len(self.workers)

    def orphan(self, pending: PendingRequest) -> None:
        self.orphans.setdefault(pending.version, deque()).append(pending)

    def waiting(self) -> int:
        """Requests that no worker has begun."""
        held = sum(len(worker.held) for worker in self.workers)
        return held + sum(len(queue) for queue in self.orphans.values())

    def is_crowded(self) -> bool:
        """Whether there is no room for all that is asked for, so that versions must take turns."""
        asked = sum((n for v, n in self.needs.items() if self.demands.of(v).is_wanted), 0.0)
        return asked > sum((w.memory for w in self.workers if w.is_fit), 0.0)
