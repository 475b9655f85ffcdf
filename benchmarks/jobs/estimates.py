"""How far estimates of a job's start are off under steady load, by the production code.

`python -m benchmarks.jobs.estimates [JOBS] [--seed N] [--json OUT]` simulates devices with a clock
of its own: jobs come as fast as they are done, wait in one queue, and are sent by the production
dispatcher, which learns its speeds from nothing. Each is given `serving.jobs.estimates.estimate`
as it comes. The bar is a median relative error of at most 20%, and no estimate below zero.
"""

import argparse
import heapq
import json
import random
import statistics
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.serving.jobs.estimates import Ahead, JobWork, estimate
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest
from modelyard.serving.routing.policy.request import RoutedRequest

VERSION = "v"
DEVICES = 3
PLACES = 8
PREFILL_S = 0.0004
DECODE_S = 0.012
SLOWER = 0.06
"""Share by which each further request at a time slows a token."""

LIMIT = 400
BACKLOG = 60
"""Jobs that wait when the load begins."""

WARM_UP = 200
LEAST_S = 1.0
BAR = 0.2


@dataclass(slots=True)
class SimulatedJob:
    """One job, with what nobody knows before: how many tokens its answer has."""

    number: int
    prompt: int
    output: int
    came_at: float
    estimated_s: float = 0.0
    started_at: float = 0.0


@dataclass(slots=True)
class SimulatedDevice:
    """Prompts to compute, and answers being written: [tokens left, job, pending request]."""

    prompts: deque[tuple[SimulatedJob, PendingRequest]] = field(
        default_factory=deque[tuple[SimulatedJob, PendingRequest]]
    )
    writing: list[list[Any]] = field(default_factory=list[list[Any]])
    is_stepping: bool = False


@dataclass(slots=True)
class SteadyLoad:
    """Jobs that come one for one that ends, a little before or after."""

    random: random.Random
    jobs: int
    now: float = 0.0
    waiting: deque[SimulatedJob] = field(default_factory=deque[SimulatedJob])
    done: list[SimulatedJob] = field(default_factory=list[SimulatedJob])
    core: Dispatcher = field(init=False)
    _jobs: dict[str, SimulatedJob] = field(default_factory=dict[str, SimulatedJob])
    _events: list[tuple[float, int, Callable[[], None]]] = field(
        default_factory=list[tuple[float, int, Callable[[], None]]]
    )
    _devices: list[SimulatedDevice] = field(
        default_factory=lambda: [SimulatedDevice() for _ in range(DEVICES)]
    )
    _made: int = 0
    _planned: int = 0

    def __post_init__(self) -> None:
        cluster = ClusterState(256)
        cluster.needs[VERSION] = 1.0
        self.core = Dispatcher(cluster, on_send=self._sent, on_load=lambda _: None)
        for number in range(DEVICES):
            worker = cluster.add_worker(f"gpu-{number}", "gpu", PLACES)
            worker.reported(memory=1e9, slots=PLACES, strain=0.0)
            cluster.add_replica(worker, VERSION, 0.0).slots = PLACES

    def run(self) -> list[SimulatedJob]:
        """The jobs that were begun after the load had settled."""
        for _ in range(BACKLOG + DEVICES * PLACES):
            self._come()
        while self._events and len(self.done) < self.jobs + WARM_UP:
            self.now, _, event = heapq.heappop(self._events)
            event()
        return self.done[WARM_UP:]

    def _come(self) -> None:
        output = min(LIMIT, 1 + int(self.random.lognormvariate(4.5, 0.6)))
        job = SimulatedJob(self._made, self.random.randrange(50, 1500), output, self.now)
        self._made += 1
        job.estimated_s = self._estimated_s(job)
        self.waiting.append(job)
        self._dispatch()

    def _estimated_s(self, job: SimulatedJob) -> float:
        each = JobWork(statistics.fmean(j.prompt for j in self.waiting or [job]), LIMIT)
        found = estimate(
            self.core.cluster,
            VERSION,
            JobWork(job.prompt, LIMIT),
            Ahead(len(self.waiting), each),
            now=self.now,
        )
        return found.start_s if found else float("inf")

    def _dispatch(self) -> None:
        """Send the next ones while there are places, as the product's dispatcher does."""
        while self.waiting and self._free():
            job = self.waiting.popleft()
            self._jobs[str(job.number)] = job
            work = RoutedRequest(str(job.number), "ada", 3, job.prompt, LIMIT)
            self.core.submit(work, VERSION, self.now)

    def _free(self) -> int:
        return sum(w.slots - w.sent - len(w.held) for w in self.core.cluster.workers)

    def _sent(self, pending: PendingRequest) -> None:
        job = self._jobs.pop(pending.work.request_id)
        job.started_at = self.now
        replica = pending.replica
        device = self._devices[replica.worker.index if replica else 0]
        device.prompts.append((job, pending))
        if not device.is_stepping:
            device.is_stepping = True
            self._at(0.0, lambda: self._step(device))

    def _step(self, device: SimulatedDevice) -> None:
        """One prompt as a whole, or one token of each answer: what an engine's scheduler does."""
        if device.prompts:
            job, pending = device.prompts.popleft()
            self._at(job.prompt * PREFILL_S, lambda: self._read(device, job, pending))
        elif device.writing:
            token_s = DECODE_S * (1 + SLOWER * (len(device.writing) - 1))
            noise = self.random.uniform(0.9, 1.1)
            self._at(token_s * noise, lambda: self._wrote(device))
        else:
            device.is_stepping = False

    def _read(self, device: SimulatedDevice, job: SimulatedJob, pending: PendingRequest) -> None:
        self.core.first_token(pending, self.now)
        device.writing.append([job.output, job, pending])
        self._step(device)

    def _wrote(self, device: SimulatedDevice) -> None:
        ended = list[tuple[SimulatedJob, PendingRequest]]()
        for answer in device.writing:
            answer[0] -= 1
            if answer[0] <= 0:
                ended.append((answer[1], answer[2]))
        device.writing = [answer for answer in device.writing if answer[0] > 0]
        for job, pending in ended:
            self._end(job, pending)
        self._step(device)

    def _end(self, job: SimulatedJob, pending: PendingRequest) -> None:
        self.core.finished(pending, self.now, job.output)
        self.done.append(job)
        self._dispatch()
        self._at(self.random.expovariate(2.0), self._come)

    def _at(self, after_s: float, event: Callable[[], None]) -> None:
        self._planned += 1
        heapq.heappush(self._events, (self.now + after_s, self._planned, event))


def measured(jobs: int, seed: int) -> dict[str, float]:
    """The errors as shares of the wait, and the waits in seconds."""
    done = SteadyLoad(random.Random(seed), jobs).run()
    waits = [job.started_at - job.came_at for job in done]
    errors = sorted(
        abs(job.estimated_s - wait) / max(LEAST_S, wait)
        for job, wait in zip(done, waits, strict=True)
    )
    return {
        "jobs": len(done),
        "wait_p50_s": round(statistics.median(waits), 2),
        "error_p50": round(statistics.median(errors), 3),
        "error_p95": round(errors[int(len(errors) * 0.95)], 3),
        "below_zero": sum(job.estimated_s < 0 for job in done),
    }


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("jobs", type=int, nargs="?", default=5000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--json", type=Path)
    told = asked.parse_args()
    found = measured(told.jobs, told.seed)
    print(json.dumps(found, indent=1))
    if told.json:
        told.json.write_text(json.dumps(found))
    return int(found["error_p50"] > BAR or found["below_zero"] > 0)


if __name__ == "__main__":
    sys.exit(main())
