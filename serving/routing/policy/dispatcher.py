"""Decides which worker serves each request and when it is sent; pure, time comes as an argument."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.cost import ReplicaChoice, cheapest, expected_output
from modelyard.serving.routing.policy.fair_share import Users, overtake
from modelyard.serving.routing.policy.fleet_changes import FleetChanges
from modelyard.serving.routing.policy.fleet_state import (
    PendingRequest,
    Replica,
    ReplicaState,
    WorkerState,
)
from modelyard.serving.routing.policy.learning import learn_answer, learn_prompt
from modelyard.serving.routing.policy.migrations import Migrations
from modelyard.serving.routing.policy.placement import LoadOrder, Migration
from modelyard.serving.routing.policy.rebalancing import Rebalancer
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.policy.stealing import LOOKAHEAD_S, best_steal, earlier, is_soon


@dataclass(slots=True)
class Dispatcher:
    """Reserves replicas for requests and reports each decision through a callback.

    `on_send` receives each request to send to its worker now, `on_load` each version to load now.
    Both run in the middle of a state change, so they must not call back into the dispatcher.
    """

    cluster: ClusterState
    on_send: Callable[[PendingRequest], None]
    on_load: Callable[[LoadOrder], None]
    rebalancer: Rebalancer = field(init=False)
    migrations: Migrations = field(init=False)
    users: Users = field(default_factory=Users)
    _held: int = 0  # requests held across all workers

    def __post_init__(self) -> None:
        self.rebalancer = Rebalancer(self.cluster)
        self.migrations = Migrations(self.cluster)

    # Requests

    def submit(self, work: RoutedRequest, version: str, now: float) -> PendingRequest:
        """Reserve a replica for a request; it is sent as soon as the worker can start it."""
        pending = PendingRequest(work, version, now)
        self.users.asked(work, now)
        self.cluster.demands.of(version).arrived(work.prompt_tokens, now)
        if not self._bind(pending, now):
            self.cluster.orphan(pending)
        return pending

    def also(
        self, first: PendingRequest, replica: Replica, cached: int, now: float
    ) -> PendingRequest:
        """Reserve a second replica for a request; demand counts the request only once."""
        pending = PendingRequest(first.work, first.version, now)
        self._give(pending, replica, cached, now)
        return pending

    def alone(self, work: RoutedRequest, replica: Replica, now: float) -> PendingRequest:
        """Send a request immediately, ahead of all held ones, to a replica reserved for it."""
        pending = PendingRequest(work, replica.version, now)
        self._take(pending, replica, 0, now)
        self._send(pending, replica, now)
        return pending

    def first_token(self, pending: PendingRequest, now: float, cached: int | None = None) -> None:
        """Record that a prompt is computed; `cached` is the engine's cached token count or None."""
        replica = pending.replica
        if replica is None or not pending.is_sent or pending.first_at is not None:
            return
        worker = replica.worker
        took = replica.worker.computed(pending, now)
        pending.first_at = now
        pending.prompts_before = worker.prompts
        tokens = pending.uncached if cached is None else max(1, pending.work.prompt_tokens - cached)
        self.cluster.demands.of(pending.version).computed(tokens)
        if took is not None:
            learn_prompt(pending, replica, tokens, took)
        pending.concurrency = worker.concurrency
        self._go_on(worker, now)

    def finished(
        self, pending: PendingRequest, now: float, output_tokens: int | None = None
    ) -> None:
        """Record that a request ended; None means no complete answer; repeated calls do nothing."""
        if pending.is_over:
            return
        pending.is_over = True
        replica = pending.replica
        if replica is None:
            self.cluster.orphans[pending.version].remove(pending)
            return
        if not pending.is_sent:
            self._unbind(pending)
            return
        if output_tokens is not None:
            self.cluster.demands.of(pending.version).answered(output_tokens)
            replica.worker.stayed(now - pending.sent_at)
            if pending.first_at is not None:
                learn_answer(pending, replica, output_tokens, now - pending.first_at)
        replica.worker.leave(pending, now)
        if output_tokens is None and pending.first_at is None:
            replica.worker.prompts -= pending.uncached  # it was never seen to be computed
        self.users.left(pending.work, replica.worker.index)
        self.users.ended(pending, replica, now)
        replica.busy -= 1
        replica.used_at = now
        self._go_on(replica.worker, now)

    def _bind(self, pending: PendingRequest, now: float) -> bool:
        among = self.users.allowed(pending, self.cluster) if pending.work.gpu_limit else None
        shut = self.users.shut(pending.work, now)
        choice = cheapest(self.cluster, pending, now, among=among, shut=shut)
        is_short = choice.own_s > self.cluster.load_s(pending.version)
        if is_short and among is None and not self.cluster.is_everywhere(pending.version):
            move = self._move_for(pending, choice, now)
            if move is not None:
                self.begin(move, now)
                choice = cheapest(self.cluster, pending, now, shut=shut)
        if choice.replica is None:
            return False
        self._give(pending, choice.replica, choice.cached, now)
        return True

    def _move_for(
        self, pending: PendingRequest, choice: ReplicaChoice, now: float
    ) -> Migration | None:
        if choice.replica is None:
            return self.rebalancer.swap_in(pending.version, now)
        more = self.rebalancer.scale_out(
            pending.version, pending.work.prompt_tokens, choice.own_s, now
        )
        return more or self.rebalancer.rebalance(pending.version, now)

    def _give(self, pending: PendingRequest, replica: Replica, cached: int, now: float) -> None:
        worker = replica.worker
        may_begin = self.users.may_begin(pending.work, replica, now)
        self._take(pending, replica, cached, now)
        if worker.is_plain and may_begin and is_soon(worker, replica, now):
            self._send(pending, replica, now)
            return
        worker.hold(pending, replica)
        self.users.waits(pending.work)
        self._held += 1
        self._pump(worker, now)

    def _take(self, pending: PendingRequest, replica: Replica, cached: int, now: float) -> None:
        output = expected_output(self.cluster, pending)
        pending.bind(replica, max(1, pending.work.prompt_tokens - cached), output)
        replica.busy += 1
        replica.used_at = now
        if pending.work.prefix:
            self.cluster.prefixes(replica.version).add(replica.worker.index, pending.work.prefix)
        self.users.took(pending.work, replica.worker.index)

    def _unbind(self, pending: PendingRequest) -> None:
        replica = pending.replica
        if replica is not None:
            self._release(pending, replica)
            self.cluster.retract(pending, replica)
            self.users.left(pending.work, replica.worker.index)
            replica.busy -= 1
            pending.replica = None

    def _pump(self, worker: WorkerState, now: float) -> None:
        """Send the held requests that the worker can start soon."""
        while worker.held and worker.has_slot:
            pending = self.users.first(worker, now)
            replica = pending.replica if pending is not None else None
            if pending is None or replica is None or not is_soon(worker, replica, now):
                return
            overtake(pending, worker)
            self._release(pending, replica)
            self._send(pending, replica, now)

    def _release(self, pending: PendingRequest, replica: Replica) -> None:
        replica.worker.release(pending, replica)
        self.users.goes_on(pending.work)
        self._held -= 1

    def _send(self, pending: PendingRequest, replica: Replica, now: float) -> None:
        replica.worker.send(pending, now)
        self.users.began(pending.work, replica)
        self.on_send(pending)

    def _steal(self, worker: WorkerState, now: float) -> None:
        """Move requests held by other workers to a free worker that would start them sooner.

        A worker with held requests of its own takes only those whose turn comes before them.
        """
        while worker.is_open and worker.wait_s(now) <= LOOKAHEAD_S:
            own = self.users.first(worker, now)
            if own is None:
                found = best_steal(self.cluster, self.users, worker, now)
            else:
                found = earlier(self.cluster, self.users, worker, own, now=now)
            if found is None:
                return
            self._unbind(found.pending)
            self._give(found.pending, found.replica, found.cached, now)

    # The fleet

    def tick(self, now: float) -> None:
        """Periodic step: send held requests and look for versions that need more replicas."""
        self.migrations.passed(now)
        for worker in self.cluster.workers:
            worker.recent.passed(now)
            self._go_on(worker, now)
        for version in self.rebalancer.waits(now):
            self.begin(self.rebalancer.rebalance(version, now), now)

    def loaded(self, replica: Replica, now: float) -> None:
        """Record that a replica is ready to serve."""
        replica.ready_at = now
        replica.state = ReplicaState.KEPT if replica.is_kept else ReplicaState.READY
        self._go_on(replica.worker, now)

    def changed(self, changes: FleetChanges, now: float) -> None:
        """Apply fleet changes; requests held on lost or unfit workers are rebound once."""
        for replica in changes.lost:
            self.migrations.lost(replica)
            self.cluster.drop_replica(replica)
        for worker in changes.unfit:
            worker.is_fit = False
        homeless = [t for x in changes.lost for t in x.worker.held if t.replica is x]
        homeless += [t for w in changes.unfit for t in w.held if t.replica not in changes.lost]
        self._rebind(homeless, now)
        for replica in changes.loaded:
            self.loaded(replica, now)
        for worker in changes.freed:
            self._go_on(worker, now)

    def lost(self, replica: Replica, now: float) -> None:
        """Drop a replica that is gone; requests held for it go to other replicas."""
        self.changed(FleetChanges(lost=[replica]), now)

    def unfit(self, worker: WorkerState, now: float) -> None:
        """Stop giving a worker work for now; requests held for it go to other workers."""
        self.changed(FleetChanges(unfit=[worker]), now)

    def prune(self, now: float) -> list[str]:
        """Forget inactive users and versions; returns the forgotten versions."""
        self.users.prune(now)
        forgotten = self.cluster.prune(now)
        for version in forgotten:
            self.rebalancer.forget(version)
        return forgotten

    def _go_on(self, worker: WorkerState, now: float) -> None:
        if self.migrations:
            self._load_if_idle(worker, now)
        if worker.held:
            self._steal(worker, now)
            self._pump(worker, now)
        if self._held and not worker.held:
            self._steal(worker, now)
        for queue in [*self.cluster.orphans.values()] if self.cluster.orphans else ():
            self._place(queue, now)

    def _place(self, queue: deque[PendingRequest], now: float) -> None:
        """Bind queued requests in order; one that waits only for its user's devices is skipped."""
        passed = 0
        while passed < len(queue):
            pending = queue[passed]
            if self._bind(pending, now):
                del queue[passed]
            elif self.users.bound(pending.work) is None:
                return
            else:
                passed += 1

    def _rebind(self, pending_requests: list[PendingRequest], now: float) -> None:
        for pending in pending_requests:
            self._unbind(pending)
        for pending in pending_requests:
            if not self._bind(pending, now):
                self.cluster.orphan(pending)

    def begin(self, move: Migration | None, now: float) -> None:
        """Start a migration: victims get no new work, and the load starts once they are idle."""
        if move is None:
            return
        self.migrations.begin(move, now)
        self._rebind([t for t in move.worker.held if t.replica in move.victims], now)
        self._load_if_idle(move.worker, now)

    def _load_if_idle(self, worker: WorkerState, now: float) -> None:
        order = self.migrations.due(worker, now)
        if order is not None:
            self.on_load(order)
