"""Pending loads that wait until their victims are idle, at most one per worker."""

from dataclasses import dataclass, field

from modelyard.serving.routing.policy.cluster_state import EVICT_S, ClusterState
from modelyard.serving.routing.policy.fleet_state import Replica, ReplicaState, WorkerState
from modelyard.serving.routing.policy.placement import LoadOrder, Migration

SLACK_S = 1.0
"""Seconds added to the load time while a version's victims still have work."""


@dataclass(slots=True)
class Migrations:
    """The incoming replica and its victims, by worker index."""

    cluster: ClusterState
    _moves: dict[int, tuple[Replica, tuple[Replica, ...]]] = field(
        default_factory=dict[int, tuple[Replica, tuple[Replica, ...]]]
    )

    def __len__(self) -> int:
        return len(self._moves)

    def begin(self, move: Migration, now: float) -> None:
        """Add a migration: its victims get no new requests from now on."""
        worker = move.worker
        version = move.version
        for victim in move.victims:
            victim.state = ReplicaState.LEAVING
        drain_s = worker.turn_s * worker.slots / 2 if any(v.busy for v in move.victims) else 0.0
        ready = now + drain_s + self.cluster.load_s(version) + EVICT_S * len(move.victims)
        replica = self.cluster.add_replica(
            worker, version, now, state=ReplicaState.LOADING, ready_at=ready
        )
        worker.is_moving = True
        self._moves[worker.index] = (replica, move.victims)

    def passed(self, now: float) -> None:
        """Postpone `ready_at` of pending loads to when they would be ready if started now."""
        for replica, _ in self._moves.values():
            earliest = now + self.cluster.load_s(replica.version) + SLACK_S
            replica.ready_at = max(replica.ready_at, earliest)

    def lost(self, replica: Replica) -> None:
        """Cancel the migration whose incoming replica is lost."""
        coming, _ = self._moves.get(replica.worker.index, (None, ()))
        if coming is replica:
            del self._moves[replica.worker.index]
            replica.worker.is_moving = False

    def due(self, worker: WorkerState, now: float) -> LoadOrder | None:
        """The load to start now if the victims are idle, which are then dropped; else None."""
        replica, victims = self._moves.get(worker.index, (None, ()))
        if replica is None or any(victim.busy for victim in victims):
            return None
        del self._moves[worker.index]
        worker.is_moving = False
        for victim in victims:
            self.cluster.drop_replica(victim)
        replica.ready_at = now + self.cluster.load_s(replica.version) + EVICT_S * len(victims)
        return LoadOrder(replica, tuple(victim.version for victim in victims))
