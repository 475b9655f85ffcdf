"""Chooses which request held by another worker a free worker should take."""

from collections.abc import Iterator
from dataclasses import dataclass

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.fair_share import Users
from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica, WorkerState

LOOKAHEAD_S = 0.5
"""Requests that can start within this many seconds are sent; others are held and may move."""

STEAL_DEPTH = 8
LEAST_STEAL_S = 0.05


@dataclass(frozen=True, slots=True)
class Steal:
    """A held request that would start `gain_s` sooner on `replica`; `cached` is in tokens."""

    gain_s: float
    pending: PendingRequest
    replica: Replica
    cached: int


def is_soon(worker: WorkerState, replica: Replica, now: float) -> bool:
    """Whether the worker can start a request soon; True while prefill speed is unmeasured."""
    return worker.wait_s(now) <= LOOKAHEAD_S or not replica.pace.prefill.known


def best_steal(
    cluster: ClusterState, users: Users, worker: WorkerState, now: float
) -> Steal | None:
    """The held request that gains most by moving to `worker`; None below LEAST_STEAL_S."""
    holders = [other for other in cluster.workers if other.held and other is not worker]
    steals = (steal for other in holders for steal in _of(cluster, users, worker, other, now=now))
    best = max(steals, key=lambda steal: steal.gain_s, default=None)
    return best if best is not None and best.gain_s > LEAST_STEAL_S else None


def earlier(
    cluster: ClusterState, users: Users, worker: WorkerState, own: PendingRequest, *, now: float
) -> Steal | None:
    """The first request held elsewhere whose turn is before `own` and that gains by moving here."""
    turn = users.turn(own, now)
    holders = list[tuple[tuple[float, float], int]]()
    for index, other in enumerate(cluster.workers):
        if other.held and other is not worker:
            first = users.turn(users.front(other.held, 1, now)[0], now)
            if first < turn:
                holders.append((first, index))
    for _, index in sorted(holders):
        for steal in _of(cluster, users, worker, cluster.workers[index], now=now):
            is_before = users.turn(steal.pending, now) < turn
            if is_before and steal.gain_s > LEAST_STEAL_S and _is_new(steal.pending):
                return steal
    return None


def _is_new(pending: PendingRequest) -> bool:
    """Whether none of its prompt is cached where it is held; moving a cached one adds work."""
    return pending.uncached >= pending.work.prompt_tokens


def _of(
    cluster: ClusterState, users: Users, worker: WorkerState, other: WorkerState, *, now: float
) -> Iterator[Steal]:
    """Steals of the first requests held by `other`, each behind the earlier ones there."""
    ahead = other.wait_s(now) + (other.turn_s if other.is_full else 0.0)
    for pending in users.front(other.held, STEAL_DEPTH, now):
        replica = worker.replicas.get(pending.version)
        theirs = pending.replica
        ours = users.may_have(pending.work, worker.index)
        if replica and theirs and ours and users.may_begin(pending.work, replica, now):
            cached = cluster.prefixes(pending.version).match(pending.work.prefix)
            replica.learned()
            had = cached.get(worker.index, 0) if cached else 0
            own = max(1, pending.work.prompt_tokens - had) * replica.prefill_s
            there = max(ahead, theirs.ready_at - now) + pending.prefill_s
            yield Steal(there - own - worker.wait_s(now), pending, replica, had)
        ahead += pending.prefill_s
