"""Policies that weigh known prefixes against load, from their published formulas."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.routing.policies.baseline import Baseline
from benchmarks.routing.policies.prefix import Believed
from benchmarks.routing.simulation import Simulation, WorkerReport
from benchmarks.routing.workload import Request

SMALL_BLOCK = 16


@dataclass(slots=True)
class PrefixAware(Baseline):
    """Follows what it sent where."""

    known: list[Believed] = field(default_factory=list[Believed])

    def start(self, sim: Simulation) -> None:
        Baseline.start(self, sim)
        self.known = [Believed() for _ in sim.workers]

    def sent(self, request: Request, worker: int) -> None:
        self.known[worker].add(request)

    def best(self, scores: list[tuple[float, int]]) -> int:
        """The highest score; ties by chance."""
        top = max(score for score, _ in scores)
        return self.sim.chance.choice([w for score, w in scores if score == top])


@dataclass(slots=True)
class LlmD(PrefixAware):
    """llm-d's endpoint picker: 2 queue + 2 KV + 3 prefix, behind its saturation gate.

    The gate compares the plain mean over the endpoints of max(queue / 5, KV / 0.8) with 1, counts
    metrics older than 200 ms as saturated, and dispatches nothing while saturated; what has waited
    GIVE_UP_S is sent all the same, as a client would try again.
    """

    _last: dict[int, WorkerReport] = field(default_factory=dict[int, WorkerReport])
    STALE_S = 0.2
    GIVE_UP_S = 10.0

    def reported(self, reports: Sequence[WorkerReport]) -> None:
        self._last = {r.worker: r for r in reports}

    def _route(self, request: Request) -> bool:
        if self._saturated() and self.sim.now - request.at_s < self.GIVE_UP_S:
            return False
        return Baseline._route(self, request)  # noqa: SLF001  slotted dataclasses have no super()

    def _metrics(self, worker: int) -> tuple[float, float, float]:
        """Age, queue and KV usage; live where telemetry has no delay."""
        if self.sim.plan.telemetry_delay_s <= 0:
            there = self.sim.workers[worker]
            return 0.0, there.waiting, there.kv_usage
        last = self._last.get(worker)
        if last is None:
            return self.sim.plan.telemetry_delay_s, 0, 0.0
        return self.sim.now - last.at_s, last.waiting, last.kv_usage

    def _saturated(self) -> bool:
        total = 0.0
        for worker in range(len(self.load)):
            age, queue, kv = self._metrics(worker)
            total += 1.0 if age > self.STALE_S else max(queue / 5, kv / 0.8)
        return total / len(self.load) >= 1.0

    def pick(self, request: Request, among: list[int]) -> int:
        seen = {w: self._metrics(w) for w in among}
        queues = [queue for _, queue, _ in seen.values()]
        least = min(queues)
        most = max(queues)
        scores = list[tuple[float, int]]()
        for worker, (_, queue, kv) in seen.items():
            rank = 1.0 if most == least else (most - queue) / (most - least)
            prefix = self.known[worker].matched(request) / request.prompt
            scores.append((2 * rank + 2 * (1 - kv) + 3 * prefix, worker))
        return self.best(scores)


@dataclass(slots=True)
class Dynamo(PrefixAware):
    """Dynamo's KV router: the lowest of max(0, prefill blocks - credit) + decode blocks."""

    _prefill: list[float] = field(default_factory=list[float])
    _held: list[float] = field(default_factory=list[float])
    _owed: dict[int, float] = field(default_factory=dict[int, float])

    def start(self, sim: Simulation) -> None:
        PrefixAware.start(self, sim)
        self._prefill = [0.0] * len(sim.workers)
        self._held = [0.0] * len(sim.workers)

    def pick(self, request: Request, among: list[int]) -> int:
        new = request.prompt / SMALL_BLOCK
        scores = list[tuple[float, int]]()
        for worker in among:
            credit = self.known[worker].matched(request) / SMALL_BLOCK
            cost = max(0.0, self._prefill[worker] + new - credit) + self._held[worker] + new
            scores.append((-cost, worker))
        return self.best(scores)

    def sent(self, request: Request, worker: int) -> None:
        matched = self.known[worker].matched(request)
        PrefixAware.sent(self, request, worker)
        owed = self._owed[request.number] = (request.prompt - matched) / SMALL_BLOCK
        self._prefill[worker] += owed
        self._held[worker] += request.prompt / SMALL_BLOCK

    def first_token(self, request: Request, worker: int) -> None:
        self._prefill[worker] -= self._owed.pop(request.number)

    def finished(self, request: Request, worker: int) -> None:
        self._held[worker] -= request.prompt / SMALL_BLOCK
        Baseline.finished(self, request, worker)


@dataclass(slots=True)
class SgLang(PrefixAware):
    """The SGLang and vLLM router's gate: the prefix's owner unless the whole fleet is uneven."""

    def pick(self, request: Request, among: list[int]) -> int:
        loads = [self.load[w] for w in among]
        most = max(loads)
        least = min(loads)
        uneven = most - least > 64 and most > 1.5 * least
        matched = {w: self.known[w].matched(request) / request.prompt for w in among}
        if not uneven and max(matched.values()) > 0.3:
            return self.best([(match, w) for w, match in matched.items()])
        return self.best([(-self.load[w], w) for w in among])


@dataclass(slots=True)
class ProductionStack(PrefixAware):
    """vLLM production-stack since PR 1035: matched share less the load above the mean."""

    def pick(self, request: Request, among: list[int]) -> int:
        mean = sum(self.load[w] for w in among) / len(among)
        return self.best(
            [
                (
                    self.known[w].matched(request) / request.prompt
                    - (self.load[w] - mean) / max(1.0, mean),
                    w,
                )
                for w in among
            ]
        )
