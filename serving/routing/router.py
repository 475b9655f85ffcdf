"""Reserves an engine for each request, triggers loads, and learns from the outcomes."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import ModelyardError
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.serving.errors import FleetBusy, WorkerUnreachable
from modelyard.serving.routing.fleet.absence import ASK_AGAIN_S
from modelyard.serving.routing.fleet.ejection import Ejection
from modelyard.serving.routing.fleet.loading import Loading
from modelyard.serving.routing.fleet.snapshot import FleetSnapshot, FleetSnapshotCache
from modelyard.serving.routing.fleet.sync import FleetSync
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.explain import Explanation, explain
from modelyard.serving.routing.policy.fleet_state import PendingRequest, ReplicaState
from modelyard.serving.routing.policy.overtaking import QueueOrder
from modelyard.serving.routing.policy.placement import LoadOrder
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.prospects import check_prospects, estimate_memory
from modelyard.serving.routing.reservation import Reservation
from modelyard.serving.routing.retries import RetryBudget
from modelyard.serving.routing.suspicion.suspects import Case, Suspects
from modelyard.serving.routing.suspicion.trials import Place, Trials
from modelyard.serving.routing.waiting import Waiting
from modelyard.serving.upstream.client import Upstream
from modelyard.serving.upstream.target import Target

BLOCK_TOKENS = 256
REFUSED_S = 10.0
"""Seconds for which a worker that refused a version is not asked for it again."""

TICK_S = 0.25


@dataclass(slots=True)
class Router:
    """Entry point is `reserve`; on one event loop, so deciding and reserving are atomic unlocked.

    `__post_init__` connects the dispatcher's callbacks that carry out its decisions; callers that
    change state need not do so.
    """

    snapshots: FleetSnapshotCache
    upstream: Upstream
    load_timeout_s: float
    queue_order: QueueOrder = QueueOrder.BALANCED
    retries: RetryBudget = field(default_factory=RetryBudget)
    ejection: Ejection = field(default_factory=Ejection)
    core: Dispatcher = field(init=False)
    fleet_sync: FleetSync = field(init=False)
    waiting: Waiting = field(default_factory=Waiting)
    suspects: Suspects = field(default_factory=Suspects)
    trials: Trials = field(init=False)
    loading: Loading = field(init=False)
    _last: FleetSnapshot | None = None
    _ticked_at: float = 0.0

    def __post_init__(self) -> None:
        cluster = ClusterState(BLOCK_TOKENS, order=self.queue_order)
        self.core = Dispatcher(cluster, on_send=self.waiting.wake, on_load=self._load)
        self.trials = Trials(self.core, self.suspects)
        self.fleet_sync = FleetSync(self.core, self.ejection)
        self.loading = Loading(self.upstream, self.fleet_sync, self.load_timeout_s)

    async def reserve(self, version: ModelVersion, work: RoutedRequest) -> Reservation:
        """Wait for a slot on an engine that can start the request; loads the version if needed.

        Raises Unavailable with the reason, FleetBusy if too many requests wait already, and TooBusy
        if too many of this user's requests wait while other users' do too. If the caller leaves, a
        load in progress continues, since other requests may wait for it.
        """
        if not self._is_current(version):
            await self._look(version)
        pending = self.core.submit(work, version.id, time.monotonic())
        if not pending.is_sent:
            try:
                await self._sent(pending, version)
            except BaseException:
                self.end(pending, None)
                raise
        return Reservation(self, version, pending)

    async def alone(self, case: Case) -> Reservation:
        """Wait for a turn alone on an engine; reserves normally if that is no longer needed.

        Raises what `reserve` raises, and RequestEndsEngines if an equal request is refused.
        """
        version = case.version
        await self._look(version)
        now = time.monotonic()
        nowhere = PendingRequest(case.work, version.id, now)
        deadline = now + self.load_timeout_s
        place = self.trials.ask(case)
        try:
            while not place.done():
                self._check(nowhere, version, deadline)
                await asyncio.wait({place}, timeout=TICK_S)
                await self._look(version)
                self._tick()
        except BaseException:
            self._leave(place)
            raise
        pending = place.result()
        if pending is None:
            return await self.reserve(version, case.work)
        return Reservation(self, version, pending)

    def arrived(self) -> None:
        """Record a client's request, which earns a share of a retry."""
        self.retries.asked()

    def may_retry(self) -> bool:
        """Spend one retry from the budget; returns False if none is left."""
        return self.retries.spend()

    async def explain(self, version: ModelVersion, work: RoutedRequest) -> Explanation:
        """Every candidate with its cost terms for a request arriving now."""
        await self._look(version)
        return explain(self.core.cluster, self.core.users, work, version.id, now=time.monotonic())

    async def catch_up(self, version: ModelVersion) -> None:
        """Bring the view of the fleet up to date, as a request for the version would."""
        await self._look(version)

    def worker_of(self, target: Target) -> WorkerView | None:
        """The worker of an engine, running or not; None if the worker has left for good."""
        known = self.fleet_sync.worker(target.device_id) is not None
        return self.fleet_sync.view(target.device_id) if known else None

    # Events from reservations

    def begun(self, pending: PendingRequest) -> None:
        """Record that a request's prompt is computed."""
        self.core.first_token(pending, time.monotonic())

    def answered(self, target: Target) -> None:
        """Record a complete answer, which resets the device's consecutive failures."""
        self.ejection.succeeded(target.device_id)

    def end(self, pending: PendingRequest, output_tokens: int | None) -> None:
        """Free the slot; `output_tokens` is the engine's count, None without a complete answer."""
        self.core.finished(pending, time.monotonic(), output_tokens)

    def failed(self, target: Target) -> None:
        """Record a failure; enough of them in a row eject the device for a while."""
        now = time.monotonic()
        self.ejection.failed(target.device_id, self.fleet_sync.devices, now)
        self._leave_alone(target.device_id, now)

    def gone(self, target: Target) -> None:
        """Record that an engine did not answer; nothing is sent there until it is back."""
        now = time.monotonic()
        worker = self.fleet_sync.lost(target, now)
        replica = worker.replicas.get(target.version_id) if worker else None
        if replica is not None and replica.url == target.url:
            self.retries.granted(replica.busy)
            self.ejection.fell(target.device_id, self.fleet_sync.devices, now)
            self._leave_alone(target.device_id, now)
            self.core.lost(replica, now)
        self.snapshots.outdated()

    def _leave_alone(self, device_id: str, now: float) -> None:
        worker = self.fleet_sync.worker(device_id)
        if worker is not None and self.ejection.is_out(device_id, now):
            self.core.unfit(worker, now)

    # The fleet

    def _is_current(self, version: ModelVersion) -> bool:
        """Whether no fleet lookup is needed: the view is fresh and a worker has the version."""
        fleet = self.snapshots.known()
        cluster = self.core.cluster
        if fleet is None or fleet is not self._last or self.fleet_sync.gone:
            return False
        return bool(cluster.replicas.get(version.id)) and version.id in cluster.needs

    async def _look(self, version: ModelVersion) -> None:
        fleet = await self.snapshots.now()
        now = time.monotonic()
        if fleet is not self._last:
            self._last = fleet
            self.fleet_sync.update(fleet, now)
            for forgotten in self.core.prune(now):
                self.loading.refusals.pop(forgotten, None)
        estimate_memory(self.core.cluster, version, now)

    def _tick(self) -> None:
        """Run the dispatcher's tick every TICK_S; the first waiter runs it, the others skip it."""
        now = time.monotonic()
        if now - self._ticked_at >= TICK_S:
            self._ticked_at = now
            self.core.tick(now)

    def _load(self, order: LoadOrder) -> None:
        self.loading.begin(order, partial(self._loaded, order))

    def _loaded(self, order: LoadOrder, error: ModelyardError | None) -> None:
        replica = order.replica
        self.snapshots.outdated()
        if error is None:
            return
        now = time.monotonic()
        absences = self.fleet_sync.absences
        device_id = replica.worker.device_id
        if isinstance(error, WorkerUnreachable):
            absences.missed(device_id, now)
        if replica.state is ReplicaState.LOADING:
            wait_s = ASK_AGAIN_S if absences.is_awaited(device_id, now) else REFUSED_S
            self.core.cluster.refused[(replica.worker.index, replica.version)] = now + wait_s
            self.core.lost(replica, now)
        self.waiting.wake_all()

    # Waiting

    async def _sent(self, pending: PendingRequest, version: ModelVersion) -> None:
        """Wait until the request is sent, that is, until its worker can start it."""
        self.waiting.enter(pending)
        deadline = time.monotonic() + self.load_timeout_s
        try:
            while not pending.is_sent:
                self._check(pending, version, deadline)
                await self.waiting.news(pending, TICK_S)
                if not pending.is_sent:
                    await self._look(version)
                    self._tick()
        finally:
            self.waiting.leave(pending)

    def _check(self, pending: PendingRequest, version: ModelVersion, deadline: float) -> None:
        """Raise FleetBusy after the deadline, or the reason why no worker can serve the version.

        While a worker that stopped answering may come back, nobody is told that there is none.
        """
        now = time.monotonic()
        if now > deadline:
            raise FleetBusy(
                f"No worker came free for {version.ref} in {self.load_timeout_s:.0f} s.",
                fix="Add a worker, or try again later.",
            )
        if pending.replica is None and not self.fleet_sync.absences.any_awaited(now):
            refusal = self.loading.refusals.get(version.id)
            check_prospects(self.core.cluster, version, refusal, self.fleet_sync.why_unfit, now=now)

    def _leave(self, place: Place) -> None:
        """Cancel a wait whose caller has left; a place already given is freed."""
        if place.cancel() or place.exception() is not None:
            return
        pending = place.result()
        if pending is not None:
            self.end(pending, None)
