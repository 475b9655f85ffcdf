"""Explains a routing decision: every worker with its cost terms in seconds."""

from dataclasses import dataclass, replace

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.cost import (
    DECODE_WEIGHT,
    TOLL_WEIGHT,
    cheapest,
    expected_output,
)
from modelyard.serving.routing.policy.fair_share import Users
from modelyard.serving.routing.policy.fleet_state import (
    PendingRequest,
    Replica,
    WorkerState,
)
from modelyard.serving.routing.policy.request import RoutedRequest


@dataclass(frozen=True, slots=True)
class RouteCandidate:
    """One worker; times in seconds; `reason` says why it is chosen, not chosen or not feasible.

    `toll_s` is the total delay for other requests. `strain` is the minimum slowdown factor assumed
    while the worker's hardware throttles itself; 0 if it does not.
    """

    device_id: str
    feasible: bool
    reason: str
    state: str = "absent"
    cached_tokens: int = 0
    queue_s: float = 0.0
    slot_s: float = 0.0
    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    toll_s: float = 0.0
    cost_s: float = 0.0
    strain: float = 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision: `chosen` is a device id, None if no worker can; candidates are best first."""

    version: str
    chosen: str | None
    prompt_tokens: int
    expected_output_tokens: float
    decode_weight: float
    toll_weight: float
    candidates: tuple[RouteCandidate, ...]


def explain(
    cluster: ClusterState, users: Users, work: RoutedRequest, version: str, *, now: float
) -> Explanation:
    """The decision for a request arriving now; nothing is reserved."""
    pending = PendingRequest(work, version, now)
    bound = users.bound(work)
    shut = users.shut(work, now)
    among = users.allowed(pending, cluster)
    choice = cheapest(cluster, pending, now, among=among, shut=shut)
    found = [
        _candidate(cluster, worker, pending, now, shut=shut)
        if bound is None or worker.index in bound
        else _cannot(worker, "the user's work is bound elsewhere")
        for worker in cluster.workers
        if worker.index not in cluster.vacant
    ]
    best = choice.replica.worker.device_id if choice.replica else None
    ranked = sorted(found, key=lambda c: (not c.feasible, c.device_id != best, c.cost_s))
    if best is None and ranked and ranked[0].feasible:
        best = ranked[0].device_id
    named = tuple(_judged(c, best, ranked[0]) for c in ranked)
    output = expected_output(cluster, pending)
    return Explanation(version, best, work.prompt_tokens, output, DECODE_WEIGHT, TOLL_WEIGHT, named)


def _candidate(
    cluster: ClusterState,
    worker: WorkerState,
    pending: PendingRequest,
    now: float,
    *,
    shut: frozenset[Replica],
) -> RouteCandidate:
    version = pending.version
    replica = worker.replicas.get(version)
    if not worker.is_fit:
        return _cannot(worker, "in error, ejected or gone")
    if replica is not None:
        if not replica.is_staying:
            return _cannot(worker, "the version is leaving it")
        return _weighed(cluster, replica, pending, now, shut=shut)
    if worker.memory < cluster.needs[version]:
        sizes = f"needs {cluster.needs[version]:.0f} bytes, it can give {worker.memory:.0f}"
        return _cannot(worker, sizes)
    if not cluster.may_load(worker, version, now):
        return _cannot(worker, "refused it, or loads another")
    coming = cluster.coming_replica(worker, version, now)
    return replace(_weighed(cluster, coming, pending, now, shut=shut), state="absent")


def _weighed(
    cluster: ClusterState,
    replica: Replica,
    pending: PendingRequest,
    now: float,
    *,
    shut: frozenset[Replica],
) -> RouteCandidate:
    """The candidate for a replica, with its cost terms."""
    choice = cheapest(cluster, pending, now, among=[replica], shut=shut)
    return RouteCandidate(
        replica.worker.device_id,
        feasible=True,
        reason="",
        state=replica.state.value,
        cached_tokens=choice.cached,
        queue_s=choice.queue_s,
        slot_s=choice.slot_s,
        load_s=choice.load_s,
        prefill_s=choice.prefill_s,
        decode_s=choice.decode_s,
        toll_s=choice.toll_s,
        cost_s=choice.cost_s,
        strain=replica.worker.strain,
    )


def _cannot(worker: WorkerState, reason: str) -> RouteCandidate:
    return RouteCandidate(worker.device_id, feasible=False, reason=reason)


def _judged(candidate: RouteCandidate, best: str | None, first: RouteCandidate) -> RouteCandidate:
    if not candidate.feasible:
        return candidate
    if candidate.device_id == best:
        reason = "chosen: the least seconds"
    else:
        reason = f"{candidate.cost_s - first.cost_s:.3f} s dearer than the chosen"
    return replace(candidate, reason=reason)
