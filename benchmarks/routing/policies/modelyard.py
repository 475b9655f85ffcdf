"""Our own policy: the production dispatcher, on the simulation's clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.routing.simulation import Simulation, WorkerReport
from benchmarks.routing.traces import BLOCK
from benchmarks.routing.workload import Request
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest, WorkerState
from modelyard.serving.routing.policy.overtaking import Overtaking, QueueOrder
from modelyard.serving.routing.policy.placement import LoadOrder
from modelyard.serving.routing.policy.request import RoutedRequest

GB = 1e9


@dataclass(slots=True)
class ModelyardPolicy:
    """Sees what production sees: its own reservations, what came back, and that loads are done.

    A worker's speeds are not told, and like workers are known by their name, as cards are.
    """

    order: QueueOrder = QueueOrder.BALANCED
    sim: Simulation = field(init=False)
    core: Dispatcher = field(init=False)
    _pending: dict[int, PendingRequest] = field(default_factory=dict[int, PendingRequest])
    _requests: dict[str, Request] = field(default_factory=dict[str, Request])

    def start(self, sim: Simulation) -> None:
        cluster = ClusterState(BLOCK, memory_unit=GB)
        self.sim = sim
        self.core = Dispatcher(cluster, on_send=self._send, on_load=self._load)
        cluster.needs = {str(i): m.memory_gb for i, m in enumerate(sim.plan.models)}
        for there in sim.workers:
            gpu = there.gpu
            worker = WorkerState(
                there.index, gpu.name, gpu.kind, gpu.concurrency, gpu.memory_gb,
                overtaking=Overtaking(self.order),
            )  # fmt: skip
            cluster.workers.append(worker)
            for model in there.models:
                cluster.add_replica(worker, str(model), 0.0)
                cluster.demands.of(str(model)).load_s = sim.plan.models[model].load_s

    def arrived(self, request: Request) -> None:
        work = RoutedRequest(str(request.number), "", 3, request.prompt, 0, request.blocks)
        self._requests[work.request_id] = request
        self._pending[request.number] = self.core.submit(work, str(request.model), self.sim.now)

    def first_token(self, request: Request, worker: int) -> None:
        self.core.first_token(self._pending[request.number], self.sim.now, request.cached)

    def finished(self, request: Request, worker: int) -> None:
        pending = self._pending.pop(request.number)
        del self._requests[pending.work.request_id]
        self.core.finished(pending, self.sim.now, request.output)

    def loaded(self, worker: int, model: int) -> None:
        version = str(model)
        cluster = self.core.cluster
        cluster.demands.of(version).load_s = self.sim.plan.models[model].load_s
        self.core.loaded(cluster.workers[worker].replicas[version], self.sim.now)

    def reported(self, reports: Sequence[WorkerReport]) -> None:
        """One gateway knows its own load better than telemetry does."""

    def tick(self) -> None:
        self.core.tick(self.sim.now)

    def _load(self, order: LoadOrder) -> None:
        victims = tuple(int(version) for version in order.victims)
        self.sim.load(order.replica.worker.index, int(order.replica.version), victims)

    def _send(self, pending: PendingRequest) -> None:
        if pending.replica is not None:
            request = self._requests[pending.work.request_id]
            self.sim.send(request, pending.replica.worker.index)
