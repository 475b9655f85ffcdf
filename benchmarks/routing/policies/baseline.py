"""What all baselines share: they choose among workers that have a model, placed by one rule.

Their formulas say nothing of models that have to be loaded, so each gets LocalAI's ladder: where
nobody has the model, or all who have it are full, a worker with enough free memory loads it (an
idle one first, then the least loaded); else one that can evict idle models, the least recently
used first; else the request joins the best of the full ones, or waits where nobody has it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.routing.simulation import Simulation, WorkerReport
from benchmarks.routing.worker import SimWorker
from benchmarks.routing.workload import Request


@dataclass(slots=True)
class Baseline:
    """One gateway's view: `load[w]` counts its own requests in flight, exact at any time."""

    sim: Simulation = field(init=False)
    load: list[int] = field(default_factory=list[int])
    _waiting: dict[int, deque[Request]] = field(default_factory=dict[int, deque[Request]])

    def start(self, sim: Simulation) -> None:
        self.sim = sim
        self.load = [0] * len(sim.workers)

    # What a policy defines

    def pick(self, request: Request, among: list[int]) -> int:
        """The worker for a request among those that have its model."""
        raise NotImplementedError

    def sent(self, request: Request, worker: int) -> None:
        """The request has been sent there."""

    # What happens

    def arrived(self, request: Request) -> None:
        queue = self._waiting.get(request.model)
        if queue or not self._route(request):
            self._waiting.setdefault(request.model, deque()).append(request)

    def first_token(self, request: Request, worker: int) -> None:
        """Only policies that follow prefills care."""

    def finished(self, request: Request, worker: int) -> None:
        self.load[worker] -= 1
        self._retry()

    def loaded(self, worker: int, model: int) -> None:
        self._retry()

    def reported(self, reports: Sequence[WorkerReport]) -> None:
        """Only policies that read telemetry care."""

    def tick(self) -> None:
        self._retry()

    def _retry(self) -> None:
        for queue in self._waiting.values():
            while queue and self._route(queue[0]):
                queue.popleft()

    # The ladder

    def _route(self, request: Request) -> bool:
        having = [w.index for w in self.sim.workers if request.model in w.models]
        if not having or all(self._is_full(w) for w in having):
            placed = self._place(request.model)
            having = [placed] if placed is not None else having
        if not having:
            return False
        worker = self.pick(request, having)
        self.load[worker] += 1
        self.sent(request, worker)
        self.sim.send(request, worker)
        return True

    def _is_full(self, worker: int) -> bool:
        return self.load[worker] >= self.sim.workers[worker].gpu.concurrency

    def _place(self, model: int) -> int | None:
        need = self.sim.plan.models[model].memory_gb
        others = [w for w in self.sim.workers if model not in w.models]
        open_to = [w for w in others if not self._is_full(w.index)]
        roomy = [w for w in open_to if w.free_gb >= need]
        if roomy:
            best = min(roomy, key=lambda w: self.load[w.index])
            self.sim.load(best.index, model)
            return best.index
        for worker in sorted(open_to, key=lambda w: self.load[w.index]):
            victims = self._victims(worker, need)
            if victims is not None:
                self.sim.load(worker.index, model, victims)
                return worker.index
        return None

    def _victims(self, worker: SimWorker, need: float) -> tuple[int, ...] | None:
        idle = [
            (there.used_s, model)
            for model, there in worker.models.items()
            if not there.busy and there.ready_s <= self.sim.now
        ]
        chosen = list[int]()
        free = worker.free_gb
        for _, model in sorted(idle):
            if free >= need:
                break
            chosen.append(model)
            free += worker.models[model].memory_gb
        return tuple(chosen) if free >= need else None
