"""The service model against a real engine: the same requests on both, at speeds measured there."""

import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.routing.fleet import FleetPlan, Gpu, ModelProfile
from benchmarks.routing.live_engine import LiveEngine, Timing, live_engine
from benchmarks.routing.policies.names import POLICIES
from benchmarks.routing.report import quantile
from benchmarks.routing.simulation import Simulation
from benchmarks.routing.traces import Recorded
from benchmarks.routing.workload import Request

PARALLEL = 4
ROUNDS = 5
REPEATS = 3
REQUESTS = 32
LOAD = 0.5
BAR = 0.15
LONGEST = 480
MEAN = 256
ANSWER = 64
"""Tokens of the longest prompt, of the mean one, and of the mean answer."""

FIGURES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": statistics.fmean,
    "p50": lambda seconds: quantile(seconds, 0.5),
    "p95": lambda seconds: quantile(seconds, 0.95),
}


@dataclass(slots=True)
class MeasuredSpeeds:
    """Measurements of all rounds: seconds a token of a prompt, and of a step by streams."""

    prompt_s: list[float] = field(default_factory=list[float])
    step_s: dict[int, list[float]] = field(default_factory=dict[int, list[float]])

    def measure(self, engine: LiveEngine) -> None:
        alone = engine.play([Recorded(0.0, MEAN, 1)])[0]
        self.prompt_s.append(alone.first_s / MEAN)
        for streams in range(1, PARALLEL + 1):
            found = engine.play([Recorded(0.0, MEAN, ANSWER)] * streams)
            last = min(t.whole_s - t.first_s for t in found)  # no prompt is computed any more
            self.step_s.setdefault(streams, []).append(last / (ANSWER - 1))

    def gpu(self) -> Gpu:
        """The worker that the simulator is told of: a step's time is a line through the medians."""
        steps = {n: statistics.median(seconds) for n, seconds in self.step_s.items()}
        line = statistics.linear_regression([n - 1 for n in steps], list(steps.values()))
        prefill = 1 / statistics.median(self.prompt_s)
        slowdown = max(0.0, line.slope / line.intercept)
        return Gpu("engine-0", "engine", 1.0, prefill, 1 / line.intercept, PARALLEL, slowdown)


def calibrate() -> int:
    """Prints both sides; 1 where an error is above the bar."""
    speeds = MeasuredSpeeds()
    rounds = list[list[Timing]]()
    with tempfile.TemporaryDirectory() as folder, live_engine(Path(folder), PARALLEL) as engine:
        for _ in range(REPEATS):
            speeds.measure(engine)
        trace = _trace(speeds.gpu(), seed=1)
        for number in range(ROUNDS):
            rounds.append(engine.play(trace))
            for _ in range(REPEATS):
                speeds.measure(engine)
            print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
    gpu = speeds.gpu()
    _introduce(speeds, gpu)
    return _compare(_medians(rounds), _simulated(gpu, trace))


def _trace(gpu: Gpu, seed: int) -> list[Recorded]:
    """Arrivals at random at LOAD; short and long prompts and answers."""
    chance = random.Random(seed)
    found = list[Recorded]()
    at = 0.0
    sizes = [
        (chance.randint(32, LONGEST), chance.randint(8, 2 * ANSWER - 8)) for _ in range(REQUESTS)
    ]
    step_s = gpu.step_s(PARALLEL) / PARALLEL
    mean_s = statistics.mean(p / gpu.prefill_tps + o * step_s for p, o in sizes)
    for prompt, output in sizes:
        found.append(Recorded(at, prompt, output))
        at += chance.expovariate(LOAD / mean_s)
    return found


def _simulated(gpu: Gpu, trace: Sequence[Recorded]) -> list[Timing]:
    plan = FleetPlan((gpu,), (ModelProfile("tiny", 1.0, 0.0),))
    requests = [Request(i, r.at_s, 0, r.prompt, r.output, ()) for i, r in enumerate(trace)]
    Simulation(plan, requests, 0).run(POLICIES["round-robin"]())
    return [Timing((r.first_s or 0.0) - r.at_s, (r.done_s or 0.0) - r.at_s) for r in requests]


def _medians(rounds: Sequence[Sequence[Timing]]) -> list[Timing]:
    """Of each request's times over the rounds."""
    median = statistics.median
    return [
        Timing(median(t.first_s for t in each), median(t.whole_s for t in each))
        for each in zip(*rounds, strict=True)
    ]


def _introduce(speeds: MeasuredSpeeds, gpu: Gpu) -> None:
    steps = ", ".join(f"{n}: {1e3 * statistics.median(s):.1f}" for n, s in speeds.step_s.items())
    print(f"prompts {gpu.prefill_tps:.0f} tokens/s; ms a step by streams: {steps}")
    print(f"so the simulator is told {gpu.decode_tps:.1f} tokens/s, slowdown {gpu.slowdown:.3f}")


def _compare(real: Sequence[Timing], simulated: Sequence[Timing]) -> int:
    print(f"{'':20} {'measured s':>10} {'simulated s':>11} {'error':>7}")
    errors = [
        *_errors("first token", [t.first_s for t in real], [t.first_s for t in simulated]),
        *_errors("end to end", [t.whole_s for t in real], [t.whole_s for t in simulated]),
    ]
    print(f"worst error {max(errors):.1%}, bar {BAR:.0%}")
    return int(max(errors) > BAR)


def _errors(name: str, real: Sequence[float], simulated: Sequence[float]) -> Iterator[float]:
    """One line for each figure; gives how far off it is, as a share of what was measured."""
    for what, figure in FIGURES.items():
        measured = figure(real)
        modelled = figure(simulated)
        error = modelled / measured - 1
        print(f"{f'{name} {what}':20} {measured:10.3f} {modelled:11.3f} {error:+7.1%}")
        yield abs(error)
