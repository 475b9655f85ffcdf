"""The event loop: requests arrive, workers work, a policy decides, all on a clock of its own."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from time import perf_counter
from typing import Any, Protocol

from benchmarks.routing.fleet import FleetPlan
from benchmarks.routing.worker import SimWorker
from benchmarks.routing.workload import Request

TELEMETRY_S = 0.5
"""Seconds between two reports of a worker; they arrive `telemetry_delay_s` later."""

TICK_S = 0.5
"""Seconds between two chances of a policy to act without an event."""

PATIENCE_S = 3600.0
"""What is not answered so long after twice the trace's time is left unanswered."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker told of itself at `at_s`."""

    at_s: float
    worker: int
    running: int
    waiting: int
    kv_usage: float
    free_gb: float
    ready: frozenset[int]


class RoutingPolicy(Protocol):
    """Decides on what it is told; acts through the simulation's `send` and `load`."""

    def start(self, sim: "Simulation") -> None: ...
    def arrived(self, request: Request) -> None: ...
    def first_token(self, request: Request, worker: int) -> None: ...
    def finished(self, request: Request, worker: int) -> None: ...
    def loaded(self, worker: int, model: int) -> None: ...
    def reported(self, reports: Sequence[WorkerReport]) -> None: ...
    def tick(self) -> None: ...


@dataclass(slots=True, eq=False)
class Simulation:
    """One run of one policy. `now` is in seconds since the first arrival."""

    plan: FleetPlan
    requests: Sequence[Request]
    seed: int
    now: float = 0.0
    workers: list[SimWorker] = field(init=False)
    chance: random.Random = field(init=False)
    loads: int = 0
    evictions: int = 0
    decisions_s: list[float] = field(default_factory=list[float])
    _events: list[tuple[float, int, str, Any]] = field(
        default_factory=list[tuple[float, int, str, Any]]
    )
    _count: int = 0
    _open: int = 0
    _reports: deque[tuple[float, list[WorkerReport]]] = field(
        default_factory=deque[tuple[float, list[WorkerReport]]]
    )
    _at: dict[int, int] = field(default_factory=dict[int, int])

    def __post_init__(self) -> None:
        self.workers = [SimWorker(i, gpu) for i, gpu in enumerate(self.plan.workers)]
        self.chance = random.Random(self.seed)
        self._place()

    # What a policy may do

    def send(self, request: Request, worker: int) -> None:
        """A request goes to a worker that has its model or loads it."""
        there = self.workers[worker]
        there.advance(self.now)
        there.take(request, self.now)
        self._at[request.number] = worker
        self._schedule(there)

    def load(self, worker: int, model: int, victims: tuple[int, ...] = ()) -> None:
        """A worker begins to load a model in place of others that have no work."""
        ready = self.workers[worker].load(model, self.plan.models[model], victims, self.now)
        self.loads += 1
        self.evictions += len(victims)
        self._push(ready, "loaded", (worker, model))

    # The loop

    def run(self, policy: RoutingPolicy) -> None:
        self._open = len(self.requests)
        policy.start(self)
        if self.requests:
            self._push(self.requests[0].at_s, "arrival", 0)
        for event in self.plan.events:
            self._push(event.at_s, "speed", event)
        self._push(0.0, "telemetry", None)
        self._push(TICK_S, "tick", None)
        last = self.requests[-1].at_s if self.requests else 0.0
        while self._open and self.now < 2 * last + PATIENCE_S:
            self.now, _, kind, what = heappop(self._events)
            getattr(self, f"_on_{kind}")(policy, what)

    def _on_arrival(self, policy: RoutingPolicy, number: int) -> None:
        if number + 1 < len(self.requests):
            self._push(self.requests[number + 1].at_s, "arrival", number + 1)
        begun = perf_counter()
        policy.arrived(self.requests[number])
        self.decisions_s.append(perf_counter() - begun)

    def _on_work(self, policy: RoutingPolicy, what: tuple[int, int]) -> None:
        worker = self.workers[what[0]]
        if worker.epoch != what[1]:
            return  # something else happened there meanwhile
        worker.advance(self.now)
        first, done = worker.ended(self.now)
        self._open -= len(done)
        self._schedule(worker)
        if first is not None:
            policy.first_token(first, worker.index)
        for request in done:
            policy.finished(request, worker.index)

    def _on_loaded(self, policy: RoutingPolicy, what: tuple[int, int]) -> None:
        worker = self.workers[what[0]]
        worker.advance(self.now)
        worker.opened(what[1], self.now)
        self._schedule(worker)
        policy.loaded(*what)

    def _on_speed(self, policy: RoutingPolicy, event: Any) -> None:
        worker = next(w for w in self.workers if w.gpu.name == event.worker)
        worker.advance(self.now)
        worker.speed = event.speed
        self._schedule(worker)

    def _on_telemetry(self, policy: RoutingPolicy, _: None) -> None:
        self._reports.append((self.now, [self._report(w) for w in self.workers]))
        while self._reports and self._reports[0][0] <= self.now - self.plan.telemetry_delay_s:
            policy.reported(self._reports.popleft()[1])
        self._push(self.now + TELEMETRY_S, "telemetry", None)

    def _on_tick(self, policy: RoutingPolicy, _: None) -> None:
        policy.tick()
        self._push(self.now + TICK_S, "tick", None)

    def _report(self, worker: SimWorker) -> WorkerReport:
        ready = frozenset(m for m, there in worker.models.items() if there.ready_s <= self.now)
        return WorkerReport(
            self.now, worker.index, worker.running, worker.waiting, worker.kv_usage,
            worker.free_gb, ready,
        )  # fmt: skip

    def _schedule(self, worker: SimWorker) -> None:
        worker.epoch += 1
        at = worker.next_s()
        if at is not None:
            self._push(at, "work", (worker.index, worker.epoch))

    def _push(self, at: float, kind: str, what: Any) -> None:
        self._count += 1
        heappush(self._events, (at, self._count, kind, what))

    def _place(self) -> None:
        """The same start for all: models in turn on worker after worker while they fit."""
        models = self.plan.models
        turn = 0
        for worker in self.workers:
            for model in [(turn + i) % len(models) for i in range(len(models))]:
                if worker.free_gb >= models[model].memory_gb:
                    worker.load(model, models[model], (), -models[model].load_s)
                    turn = model + 1
