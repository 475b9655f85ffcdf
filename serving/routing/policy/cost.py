"""What each candidate would cost in seconds: the one formula of decisions and explanations."""

from collections.abc import Sequence

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
    """A replica and what a request costs there, term by term in seconds.

    `queue_s` is until its prompt is begun, `slot_s` until a place comes free, `load_s` until the
    version is ready, `prefill_s` its own prompt, `decode_s` its answer, `toll_s` what others will
    wait for it, added up. `cost_s`, by which it is chosen, is their sum, the last two weighed; it
    is infinite without a replica. `cached` are the tokens that its worker should have.
    """

    __slots__ = (
        "cached", "cost_s", "decode_s", "load_s", "prefill_s", "queue_s", "replica", "slot_s",
        "toll_s",
    )  # fmt: skip

    def __init__(self) -> None:
        self.replica: Replica | None = None
        self.cached = 0
        self.cost_s = float("inf")
        self.queue_s = self.slot_s = self.load_s = 0.0
        self.prefill_s = self.decode_s = self.toll_s = 0.0

    def choose(self, replica: Replica, cost_s: float, cached: int) -> None:
        """Instead of what was the cheapest before."""
        self.replica = replica
        self.cost_s = cost_s
        self.cached = cached

    def until(self, queue_s: float, slot_s: float, load_s: float) -> None:
        """What passes before the request is begun."""
        self.queue_s = queue_s
        self.slot_s = slot_s
        self.load_s = load_s

    def work(self, prefill_s: float, decode_s: float, toll_s: float) -> None:
        """What it takes itself, and from others."""
        self.prefill_s = prefill_s
        self.decode_s = decode_s
        self.toll_s = toll_s

    @property
    def own_s(self) -> float:
        """The cost without what others wait for it."""
        return self.cost_s - self.toll_s * TOLL_WEIGHT


def cheapest(
    cluster: ClusterState,
    pending: PendingRequest,
    now: float,
    *,
    among: Sequence[Replica] | None = None,
    shut: frozenset[Replica] = NOWHERE,
) -> ReplicaChoice:
    """The replica where the work would be done first; written for speed: 64 workers in 50 us.

    `among`: instead of all that have the version; `shut`: where its user has all it may have.
    """
    tokens = pending.work.prompt_tokens
    prefix = pending.work.prefix
    known = cluster.prefixes(pending.version).match(prefix) if prefix else {}
    output = expected_output(cluster, pending)
    best = ReplicaChoice()
    ready = ReplicaState.READY
    for replica in among if among is not None else cluster.replicas.get(pending.version, ()):
        worker = replica.worker
        if replica.turn != worker.turn:
            replica.learned()
        queue = max(worker.queue.free_at - now, worker.queue.behind_s) + worker.others_s
        own = max(1, tokens - known.get(worker.index, 0)) * replica.prefill_s
        toll = toll_s(worker, queue, own)
        answer = output * replica.decode_s
        cost = queue + own + answer * DECODE_WEIGHT + toll * TOLL_WEIGHT
        if cost < best.cost_s:
            held = slot = load = 0.0
            is_shut = replica in shut
            if is_shut or not worker.is_plain or replica.state is not ready or replica.is_full:
                held = held_s(replica, pending, own + answer / worker.slots)
                slot = slot_s(replica, is_shut=is_shut)
                load = load_s(replica, now)
                cost += held + slot + load
            if cost < best.cost_s:
                best.choose(replica, cost, known.get(worker.index, 0))
                best.until(queue + held, slot, load)
                best.work(own, answer, toll)
    return best


def toll_s(worker: WorkerState, queue_s: float, own_s: float) -> float:
    """Seconds that others will wait, added up, for a prompt that joins a queue.

    The worker stays busy for longer, and who comes until then begins `own_s` later; as the M/G/1
    queue has it. What is behind a queue already long is dear, what a free worker does is not.
    """
    return own_s * (queue_s + own_s / 2) * worker.recent.followers


def held_s(replica: Replica, pending: PendingRequest, whole_s: float) -> float:
    """Seconds of prompts held on its worker that begin before one that takes so long there.

    What waits for a place of another version lets it pass.
    """
    worker = replica.worker
    urgency = pending.work.priority * PRIORITY_S
    rank = pending.arrived_at - urgency + worker.overtaking.most_s(whole_s)
    if not any(other.is_full for other in worker.replicas.values()):
        return worker.ahead_s(rank)
    passed = (
        t
        for t in worker.held
        if t.replica is replica or (t.replica is not None and t.replica.is_open)
    )
    return sum((t.prefill_s for t in passed if t.rank <= rank), 0.0)


def load_s(replica: Replica, now: float) -> float:
    """Seconds until its version is ready there, infinite where it gets nothing new.

    One that is kept for a single request is as if it were loading.
    """
    if not (replica.worker.is_fit and replica.is_staying):
        return float("inf")
    if replica.state is ReplicaState.READY:
        return 0.0
    return max(replica.ready_at - now, LEAST_LOAD_S)


def slot_s(replica: Replica, *, is_shut: bool) -> float:
    """Seconds until a place comes free, where none is."""
    worker = replica.worker
    if worker.is_full:
        return worker.turn_s * (1 + len(worker.held))
    return replica.turn_s * (1 + replica.held) if is_shut or replica.is_full else 0.0


def expected_output(cluster: ClusterState, pending: PendingRequest) -> float:
    """Tokens of the answer: what this version's answers have, at most what was asked for."""
    mean = cluster.demands.of(pending.version).output
    most = pending.work.output_tokens
    return min(mean, most) if most else mean
