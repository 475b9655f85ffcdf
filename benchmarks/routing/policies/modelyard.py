"""Our own policy: the production dispatcher, on the simulation's clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.routing.simulation import Simulation, WorkerReport
from benchmarks.routing.traces import BLOCK
from benchmarks.routing.workload import Request
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest, WorkerState
from modelyard.serving.routing.policy.request import RoutedRequest

GB = 1e9


@dataclass(slots=True)
class Modelyard:
    """Sees what production sees: its own reservations, what came back, and that loads are done.

    A worker's speeds are not told, and like workers are known by their name, as cards are.
    """

    sim: Simulation = field(init=False)
    core: Dispatcher = field(init=False)
    _tickets: dict[int, PendingRequest] = field(default_factory=dict[int, PendingRequest])
    _requests: dict[int, Request] = field(default_factory=dict[int, Request])

    def start(self, sim: Simulation) -> None:
        cluster = ClusterState(BLOCK, memory_unit=GB)
        self.sim, self.core = sim, Dispatcher(cluster)
        cluster.needs = {str(i): m.memory_gb for i, m in enumerate(sim.plan.models)}
        for there in sim.workers:
            gpu = there.gpu
            worker = WorkerState(there.index, gpu.name, gpu.kind, gpu.concurrency, gpu.memory_gb)
            cluster.workers.append(worker)
            for model in there.models:
                cluster.add_replica(worker, str(model), 0.0)
                cluster.demands.of(str(model)).load_s = sim.plan.models[model].load_s

    def arrived(self, request: Request) -> None:
        work = RoutedRequest(str(request.number), "", 3, request.prompt, 0, request.blocks)
        pending = self.core.submit(work, str(request.model), self.sim.now)
        self._tickets[request.number] = pending
        self._requests[id(pending)] = request
        self._act()

    def first_token(self, request: Request, worker: int) -> None:
        self.core.first_token(self._tickets[request.number], self.sim.now, request.cached)
        self._act()

    def finished(self, request: Request, worker: int) -> None:
        pending = self._tickets.pop(request.number)
        del self._requests[id(pending)]
        self.core.finished(pending, self.sim.now, request.output)
        self._act()

    def loaded(self, worker: int, model: int) -> None:
        version, cluster = str(model), self.core.cluster
        cluster.demands.of(version).load_s = self.sim.plan.models[model].load_s
        self.core.loaded(cluster.workers[worker].replicas[version], self.sim.now)
        self._act()

    def reported(self, reports: Sequence[WorkerReport]) -> None:
        """One gateway knows its own load better than telemetry does."""

    def tick(self) -> None:
        self.core.tick(self.sim.now)
        self._act()

    def _act(self) -> None:
        orders, self.core.orders = self.core.orders, []
        for order in orders:
            victims = tuple(int(v) for v in order.victims)
            self.sim.load(order.replica.worker.index, int(order.replica.version), victims)
        sends, self.core.sends = self.core.sends, []
        for pending in sends:
            if pending.replica is not None:
                self.sim.send(self._requests[id(pending)], pending.replica.worker.index)
