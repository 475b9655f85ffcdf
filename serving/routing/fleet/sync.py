"""Applies worker and gateway reports to the cluster state: devices, engines and their load."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modelyard.registry.fleet.fleet import EngineState, EngineView, WorkerView
from modelyard.serving.routing.fleet.absence import Absences
from modelyard.serving.routing.fleet.ejection import Ejection
from modelyard.serving.routing.fleet.peer_loads import NONE, PeerLoads, Share
from modelyard.serving.routing.fleet.snapshot import FleetSnapshot
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_changes import FleetChanges
from modelyard.serving.routing.policy.fleet_state import Replica, ReplicaState, WorkerState
from modelyard.serving.upstream.target import Target

FRACTION = 0.9
"""Share of a device's memory that versions may fill."""

SLOTS = 64
"""Assumed concurrent requests of a worker that does not report a number."""

FORGET_S = 5.0
"""A lost engine counts as back after this many seconds and a new report of its worker."""

STALE_S = 5.0
FADE_S = 5.0
"""A report counts fully for STALE_S seconds, then half as much with every FADE_S."""

DEPARTED_S = 600.0
"""Seconds after which a device that has left is forgotten."""

STRAIN = 1.5
"""Minimum slowdown factor assumed for a device whose hardware throttles itself."""

_HERE = (ReplicaState.READY, ReplicaState.KEPT)


@dataclass(slots=True)
class _LastReport:
    """A worker's last report, and the most requests this gateway had there since."""

    heartbeat: object = None
    at: float = 0.0
    others: float = 0.0
    most_sent: int = 0

    def guess(self, now: float) -> Share:
        """The other gateways' load, which decays while the next report is late."""
        late = max(0.0, now - self.at - STALE_S)
        return self.others * 0.5 ** (late / FADE_S), 0.0


@dataclass(frozen=True, slots=True)
class _Gone:
    """An engine that did not answer, and its worker's last heartbeat before that."""

    device_id: str
    since: float
    heartbeat: object


@dataclass(slots=True)
class FleetSync:
    """Syncs reports; `gone` maps URLs of unresponsive engines, which reports may still list."""

    core: Dispatcher
    ejection: Ejection
    gone: dict[str, _Gone] = field(default_factory=dict[str, _Gone])
    peer_loads: PeerLoads = field(default_factory=PeerLoads)
    absences: Absences = field(default_factory=Absences)
    _departed: dict[str, float] = field(default_factory=dict[str, float])
    _by_device: dict[str, WorkerState] = field(default_factory=dict[str, WorkerState])
    _views: dict[str, WorkerView] = field(default_factory=dict[str, WorkerView])
    _seen: dict[str, _LastReport] = field(default_factory=dict[str, _LastReport])

    def update(self, fleet: FleetSnapshot, now: float) -> None:
        """Apply a new fleet snapshot; call once for each."""
        alive = {view.device_id: view.heartbeat_at for view in fleet.workers}
        changes = FleetChanges()
        self._believe(alive, now)
        held = dict[str, list[EngineView]]()
        for engine in fleet.engines:
            held.setdefault(engine.device_id, []).append(engine)
        for view in fleet.workers:
            engines = held.get(view.device_id, [])
            self._meet(view, engines, changes, now)
            self._engines(self._by_device[view.device_id], engines, changes, now)
        self._departed = {d: t for d, t in self._departed.items() if d not in alive}
        for device_id in self._by_device.keys() - alive.keys():
            self._leave(device_id, changes, now)
        self.core.changed(changes, now)

    def lost(self, target: Target, now: float) -> WorkerState | None:
        """Record that an engine does not answer; returns its worker, or None if unknown."""
        view = self._views.get(target.device_id)
        heartbeat = view.heartbeat_at if view else None
        self.gone[target.url] = _Gone(target.device_id, now, heartbeat)
        return self.worker(target.device_id)

    def _believe(self, alive: Mapping[str, object], now: float) -> None:
        """Trust engines in `gone` again once their worker has reported after the failure."""
        for url, gone in [*self.gone.items()]:
            heartbeat = alive.get(gone.device_id)
            if heartbeat is None or (now - gone.since > FORGET_S and heartbeat != gone.heartbeat):
                del self.gone[url]

    def _leave(self, device_id: str, changes: FleetChanges, now: float) -> None:
        """Take a device that has left out of use, and forget it after DEPARTED_S."""
        worker = self._by_device[device_id]
        worker.is_fit = False
        changes.lost += worker.replicas.values()
        since = self._departed.setdefault(device_id, now)
        if now - since > DEPARTED_S and not worker.sent:
            self.core.cluster.vacate(worker)
            self.ejection.forget(device_id)
            self.absences.back(device_id)
            for known in (self._by_device, self._views, self._seen, self._departed):
                del known[device_id]

    def worker(self, device_id: str) -> WorkerState | None:
        return self._by_device.get(device_id)

    def view(self, device_id: str) -> WorkerView:
        """The last report of a device's worker; raises KeyError for an unknown device."""
        return self._views[device_id]

    @property
    def devices(self) -> list[str]:
        """Ids of live devices, ejected ones included."""
        return [device_id for device_id in self._by_device if device_id not in self._departed]

    def why_unfit(self) -> str:
        """Why live devices take no work, each with its reason; empty where none lives."""
        said = list[str]()
        for device_id in self.devices:
            device = self._views[device_id].device
            if not device.takes_work:
                said.append(f"{device_id} is in {device.status} ({device.reason or 'no reason'})")
            elif not self._by_device[device_id].is_fit:
                said.append(f"{device_id} has failed too often and rests")
        return ", ".join(said)

    def _meet(
        self, view: WorkerView, engines: list[EngineView], changes: FleetChanges, now: float
    ) -> None:
        worker = self._by_device.get(view.device_id)
        if worker is None:
            worker = self.core.cluster.add_worker(view.device_id, view.device.name, SLOTS)
            self._by_device[view.device_id] = worker
        before = self._views.get(view.device_id)
        if before is not None and before.started_at != view.started_at:
            self._returned(worker)
        self._views[view.device_id] = view
        worker.reported(
            memory=_memory(view, engines),
            slots=view.device.slots or SLOTS,
            strain=STRAIN if view.device.is_throttled else 0.0,
        )
        worker.is_fit = view.device.takes_work and not self.ejection.is_out(view.device_id, now)
        if not worker.is_fit:
            changes.unfit.append(worker)
        self._others(worker, view, changes, now)

    def _returned(self, worker: WorkerState) -> None:
        """Forget what a device's former worker refused: this one has been started since."""
        self.absences.back(worker.device_id)
        refused = self.core.cluster.refused
        for asked in [asked for asked in refused if asked[0] == worker.index]:
            del refused[asked]

    def _others(
        self, worker: WorkerState, view: WorkerView, changes: FleetChanges, now: float
    ) -> None:
        """Update the other gateways' load on a worker, from their own reports if recent.

        Else it is the worker's reported requests minus the most this gateway had there; while the
        next report is late, that number holds for a time and then decays.
        """
        seen = self._seen.setdefault(worker.device_id, _LastReport())
        seen.most_sent = max(seen.most_sent, worker.sent)
        if seen.heartbeat != view.heartbeat_at:
            seen.others = float(max(0, view.device.requests - seen.most_sent))
            seen.heartbeat = view.heartbeat_at
            seen.at = now
            seen.most_sent = worker.sent
        others = self.peer_loads.of(worker.device_id, now) or seen.guess(now)
        self._reckon(worker, others, changes)

    def hear(self, loads: Iterable[bytes], now: float) -> None:
        """Apply the other gateways' reported reservations."""
        self.peer_loads.hear(loads, now)
        changes = FleetChanges()
        for device_id, worker in self._by_device.items():
            self._reckon(worker, self.peer_loads.of(device_id, now) or NONE, changes)
        self.core.changed(changes, now)

    def _reckon(self, worker: WorkerState, others: Share, changes: FleetChanges) -> None:
        before = worker.others
        worker.others_have(*others)
        if before > worker.others and worker.held:
            changes.freed.append(worker)

    def _engines(
        self, worker: WorkerState, engines: list[EngineView], changes: FleetChanges, now: float
    ) -> None:
        cluster = self.core.cluster
        found = {e.version_id: e for e in engines}
        for engine in engines:
            if engine.memory_bytes:
                cluster.needs[engine.version_id] = float(engine.memory_bytes)
            if engine.load_s:
                cluster.demands.of(engine.version_id).load_s = engine.load_s
            if engine.state is EngineState.READY and engine.url and engine.url not in self.gone:
                self._ready(worker, engine, changes, now)
        changes.lost += [
            replica
            for version, replica in worker.replicas.items()
            if version not in found and replica.state in _HERE
        ]

    def _ready(
        self, worker: WorkerState, engine: EngineView, changes: FleetChanges, now: float
    ) -> None:
        replica = worker.replicas.get(engine.version_id)
        if replica is None:
            replica = self.core.cluster.add_replica(worker, engine.version_id, now)
        replica.memory = float(engine.memory_bytes)
        told = self._views[worker.device_id].device.engine_slots
        if _opened(replica, engine.url, told.get(engine.version_id, replica.slots)):
            changes.loaded.append(replica)

    def opened(self, replica: Replica, url: str, slots: int, now: float) -> None:
        """Record that a replica's engine answers at `url` and runs `slots` requests at a time."""
        self.absences.back(replica.worker.device_id)
        if _opened(replica, url, slots):
            self.core.loaded(replica, now)


def _opened(replica: Replica, url: str, slots: int) -> bool:
    """Set the engine's address and slots; returns whether the replica was still loading."""
    replica.url = url
    replica.slots = slots
    replica.worker.takes_at_least(sum(x.slots for x in replica.worker.replicas.values()))
    return replica.state is ReplicaState.LOADING


def _memory(view: WorkerView, engines: list[EngineView]) -> float:
    """Bytes that versions may fill: held plus free, capped at FRACTION; infinite if unknown."""
    total = view.device.memory_total
    free = view.device.memory_free
    if total is None and free is None:
        return float("inf")
    held = sum(e.memory_bytes for e in engines)
    most = float(total) * FRACTION if total is not None else float("inf")
    return min(most, float(free) + held) if free is not None else most
