"""Our own policy: the production dispatcher, on the simulation's clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.routing.simulation import Report, Simulation
from benchmarks.routing.traces import BLOCK
from benchmarks.routing.workload import Request
from serving.routing.dispatcher import Dispatcher
from serving.routing.fleet_state import Ticket, Worker
from serving.routing.work import Work
from serving.routing.yard import Yard

GB = 1e9


@dataclass(slots=True)
class Modelyard:
    """Sees what production sees: its own reservations, what came back, and that loads are done.

    A worker's speeds are not told, and like workers are known by their name, as cards are.
    """

    sim: Simulation = field(init=False)
    core: Dispatcher = field(init=False)
    _tickets: dict[int, Ticket] = field(default_factory=dict[int, Ticket])
    _requests: dict[int, Request] = field(default_factory=dict[int, Request])

    def start(self, sim: Simulation) -> None:
        yard = Yard(BLOCK, memory_unit=GB)
        self.sim, self.core = sim, Dispatcher(yard)
        yard.needs = {str(i): m.memory_gb for i, m in enumerate(sim.plan.models)}
        for there in sim.workers:
            gpu = there.gpu
            worker = Worker(there.index, gpu.name, gpu.kind, gpu.concurrency, gpu.memory_gb)
            yard.workers.append(worker)
            for model in there.models:
                yard.add_lane(worker, str(model), 0.0)
                yard.demands.of(str(model)).load_s = sim.plan.models[model].load_s

    def arrived(self, request: Request) -> None:
        work = Work(str(request.number), "", 3, request.prompt, 0, request.blocks)
        ticket = self.core.submit(work, str(request.model), self.sim.now)
        self._tickets[request.number] = ticket
        self._requests[id(ticket)] = request
        self._act()

    def first_token(self, request: Request, worker: int) -> None:
        self.core.first_token(self._tickets[request.number], self.sim.now, request.cached)
        self._act()

    def finished(self, request: Request, worker: int) -> None:
        ticket = self._tickets.pop(request.number)
        del self._requests[id(ticket)]
        self.core.finished(ticket, self.sim.now, request.output)
        self._act()

    def loaded(self, worker: int, model: int) -> None:
        version, yard = str(model), self.core.yard
        yard.demands.of(version).load_s = self.sim.plan.models[model].load_s
        self.core.loaded(yard.workers[worker].lanes[version], self.sim.now)
        self._act()

    def reported(self, reports: Sequence[Report]) -> None:
        """One gateway knows its own load better than telemetry does."""

    def tick(self) -> None:
        self.core.tick(self.sim.now)
        self._act()

    def _act(self) -> None:
        orders, self.core.orders = self.core.orders, []
        for order in orders:
            victims = tuple(int(v) for v in order.victims)
            self.sim.load(order.lane.worker.index, int(order.lane.version), victims)
        sends, self.core.sends = self.core.sends, []
        for ticket in sends:
            if ticket.lane is not None:
                self.sim.send(self._requests[id(ticket)], ticket.lane.worker.index)
