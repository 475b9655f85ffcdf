"""What each candidate would cost in seconds: the one formula of decisions and explanations."""

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.fleet_state import (
    PRIORITY_S,
    PendingRequest,
    Replica,
    ReplicaState,
    WorkerState,
)

DECODE_WEIGHT = 0.03
"""How much a second of writing counts against a second until the first token."""

TOLL_WEIGHT = 0.3
"""How much a second that others wait for it counts against a second of its own."""

NOWHERE: frozenset[Replica] = frozenset()

LEAST_LOAD_S = 1.0
"""A version that is loading takes at least this much longer."""


class ReplicaChoice:
    """The cheapest replica, the tokens of the prompt that its worker should have, and its seconds.

    `cost` is the request's own: without what others wait for it.
    """

    __slots__ = ("cached", "cost", "replica")

    def __init__(self, replica: Replica | None, cached: int, cost: float) -> None:
        self.replica = replica
        self.cached = cached
        self.cost = cost


def cheapest(
    cluster: ClusterState,
    pending: PendingRequest,
    now: float,
    only: frozenset[int] | None = None,
    shut: frozenset[Replica] = NOWHERE,
) -> ReplicaChoice:
    """The replica where the work would be done first; written for speed: 64 workers in 50 us.

    Cost: queued prefills + those held before it + loading + own uncached prompt + a weighted share
    of the expected answer, each at the speeds learned for the worker as busy as it is, + a weighted
    share of what others will wait for it (`toll_s`). `only`: the workers that may be chosen;
    `shut`: where its user has all places that it may have.
    """
    work, version = pending.work, pending.version
    known = cluster.prefixes(version).match(work.prefix) if work.prefix else {}
    output = expected_output(cluster, pending)
    rank = pending.arrived_at - work.priority * PRIORITY_S
    best, least, paid, ready = None, float("inf"), 0.0, ReplicaState.READY
    for replica in cluster.replicas.get(version, ()):
        worker = replica.worker
        if replica.turn != worker.turn:
            replica.learned()
        queue = max(worker.free_at - now, worker.behind_s) + worker.others_s
        own = work.prompt_tokens * replica.prefill_s
        if known and worker.index in known:
            own = max(1, work.prompt_tokens - known[worker.index]) * replica.prefill_s
        toll = toll_s(worker, queue, own) * TOLL_WEIGHT
        answer = output * replica.decode_s
        cost = queue + own + answer * DECODE_WEIGHT + toll
        if cost < least and (only is None or worker.index in only):
            if not worker.is_plain or replica.state is not ready or replica.is_full:
                whole = own + answer / worker.slots
                cost += _more_s(replica, rank + worker.overtaking.most_s(whole), now)
            if shut and replica in shut and not (worker.is_full or replica.is_full):
                cost += slot_s(replica, is_shut=True)
            if cost < least:
                best, least, paid = replica, cost, toll
    return ReplicaChoice(best, known.get(best.worker.index, 0) if best else 0, least - paid)


def toll_s(worker: WorkerState, queue_s: float, own_s: float) -> float:
    """Seconds that others will wait, added up, for a prompt that joins a queue.

    The worker stays busy for longer, and who comes until then begins `own_s` later; as the M/G/1
    queue has it. What is behind a queue already long is dear, what a free worker does is not.
    """
    return own_s * (queue_s + own_s / 2) * worker.recent.followers


def _more_s(replica: Replica, rank: float, now: float) -> float:
    """What is not there on a free worker that has the version: others held, no slot, a load.

    One that is kept for a single request is as if it were loading.
    """
    worker = replica.worker
    if not worker.is_fit or replica.state is ReplicaState.LEAVING:
        return float("inf")
    more = ahead_s(replica, rank) + slot_s(replica)
    if replica.state is not ReplicaState.READY:
        more += max(replica.ready_at - now, LEAST_LOAD_S)
    return more


def ahead_s(replica: Replica, rank: float) -> float:
    """Seconds of prompts held on its worker that begin before one of this rank.

    What waits for a place of another version lets it pass.
    """
    worker = replica.worker
    if not any(other.is_full for other in worker.replicas.values()):
        return worker.ahead_s(rank)
    passed = (
        t
        for t in worker.held
        if t.replica is replica or (t.replica is not None and t.replica.is_open)
    )
    return sum((t.prefill_s for t in passed if t.rank <= rank), 0.0)


def slot_s(replica: Replica, *, is_shut: bool = False) -> float:
    """Seconds until a place comes free, where none is."""
    worker = replica.worker
    if worker.is_full:
        return worker.turn_s * (1 + len(worker.held))
    return replica.turn_s * (1 + replica.held) if is_shut or replica.is_full else 0.0


def expected_output(cluster: ClusterState, pending: PendingRequest) -> float:
    """Tokens of the answer: what this version's answers have, at most what was asked for."""
    mean, most = cluster.demands.of(pending.version).output, pending.work.output_tokens
    return min(mean, most) if most else mean
