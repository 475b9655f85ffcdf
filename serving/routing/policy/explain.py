"""Why a request would go where it would: every worker with its terms in seconds."""

from dataclasses import dataclass, replace

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.cost import (
    DECODE_WEIGHT,
    LEAST_LOAD_S,
    TOLL_WEIGHT,
    ahead_s,
    cheapest,
    expected_output,
    slot_s,
    toll_s,
)
from modelyard.serving.routing.policy.fair_share import Users
from modelyard.serving.routing.policy.fleet_state import (
    PRIORITY_S,
    PendingRequest,
    Replica,
    ReplicaState,
    WorkerState,
)
from modelyard.serving.routing.policy.request import RoutedRequest


@dataclass(frozen=True, slots=True)
class RouteCandidate:
    """One worker; times in seconds, `reason` says why it was chosen, lost or cannot.

    `toll_s` is what others would wait for it, added up, `strain` how many times slower the worker
    counts at least, as its hardware throttles itself; 0 where it does not.
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
    """`chosen` is a device id, None where nobody can; candidates by falling preference."""

    version: str
    chosen: str | None
    prompt_tokens: int
    expected_output_tokens: float
    decode_weight: float
    toll_weight: float
    candidates: tuple[RouteCandidate, ...]


def explain(
    cluster: ClusterState, users: Users, work: RoutedRequest, version: str, now: float
) -> Explanation:
    """The decision of this moment, without making it."""
    pending = PendingRequest(work, version, now)
    only, shut = users.bound(work), users.shut(work, now)
    choice = cheapest(cluster, pending, now, only, shut)
    found = [
        _candidate(cluster, worker, pending, now, shut)
        if only is None or worker.index in only
        else RouteCandidate(
            worker.device_id, feasible=False, reason="the user's work is bound elsewhere"
        )
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
    shut: frozenset[Replica],
) -> RouteCandidate:
    replica = worker.replicas.get(pending.version)
    if not worker.is_fit:
        return RouteCandidate(worker.device_id, feasible=False, reason="in error, ejected or gone")
    if replica is None:
        return _cold(cluster, worker, pending, now)
    if replica.state is ReplicaState.LEAVING:
        return RouteCandidate(worker.device_id, feasible=False, reason="the version is leaving it")
    return _warm(cluster, replica, pending, now, is_shut=replica in shut)


def _warm(
    cluster: ClusterState, replica: Replica, pending: PendingRequest, now: float, *, is_shut: bool
) -> RouteCandidate:
    work, worker = pending.work, replica.worker
    cached = cluster.prefixes(pending.version).match(work.prefix).get(worker.index, 0)
    prefill = max(1, work.prompt_tokens - cached) * replica.prefill_s
    decode = expected_output(cluster, pending) * replica.decode_s
    whole = prefill + decode / worker.slots
    rank = now - work.priority * PRIORITY_S + worker.overtaking.most_s(whole)
    sent = worker.wait_s(now) + worker.others_s
    queue, toll = sent + ahead_s(replica, rank), toll_s(worker, sent, prefill)
    slot = slot_s(replica, is_shut=is_shut)
    ready = replica.state is ReplicaState.READY
    load = 0.0 if ready else max(replica.ready_at - now, LEAST_LOAD_S)
    cost = queue + slot + load + prefill + decode * DECODE_WEIGHT + toll * TOLL_WEIGHT
    return RouteCandidate(
        worker.device_id,
        feasible=True,
        reason="",
        state=replica.state.value,
        cached_tokens=cached,
        queue_s=queue,
        slot_s=slot,
        load_s=load,
        prefill_s=prefill,
        decode_s=decode,
        toll_s=toll,
        cost_s=cost,
        strain=worker.strain,
    )


def _cold(
    cluster: ClusterState, worker: WorkerState, pending: PendingRequest, now: float
) -> RouteCandidate:
    version = pending.version
    if worker.memory < cluster.needs[version]:
        sizes = f"needs {cluster.needs[version]:.0f} bytes, it can give {worker.memory:.0f}"
        return RouteCandidate(worker.device_id, feasible=False, reason=sizes)
    if not cluster.may_load(worker, version, now):
        return RouteCandidate(
            worker.device_id, feasible=False, reason="refused it, or loads another"
        )
    replica = Replica(worker, version, 0.0, cluster.speeds.pace(worker.gpu, version))
    replica.learned()
    queue = worker.wait_s(now) + worker.others_s
    prefill = pending.work.prompt_tokens * replica.prefill_s
    decode = expected_output(cluster, pending) * replica.decode_s
    load = cluster.load_s(version)
    cost = max(load, queue) + prefill + decode * DECODE_WEIGHT
    return RouteCandidate(
        worker.device_id,
        feasible=True,
        reason="",
        queue_s=queue,
        load_s=load,
        prefill_s=prefill,
        decode_s=decode,
        cost_s=cost,
        strain=worker.strain,
    )


def _judged(candidate: RouteCandidate, best: str | None, first: RouteCandidate) -> RouteCandidate:
    if not candidate.feasible:
        return candidate
    if candidate.device_id == best:
        reason = "chosen: the least seconds"
    else:
        reason = f"{candidate.cost_s - first.cost_s:.3f} s dearer than the chosen"
    return replace(candidate, reason=reason)
