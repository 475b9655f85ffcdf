"""A trace laid over a fleet: arrivals scaled to a share of its capacity, models by a Zipf law."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from benchmarks.routing.fleet import FleetPlan, Gpu
from benchmarks.routing.traces import Recorded

ZIPF = 1.1


@dataclass(slots=True, eq=False)
class Request:
    """One request of the simulation: what is asked, and what became of it (seconds)."""

    number: int
    at_s: float
    model: int
    prompt: int
    output: int
    blocks: tuple[int, ...]
    first_s: float | None = None
    done_s: float | None = None
    cached: int = 0
    sent_s: float = 0.0


def workload(trace: Sequence[Recorded], plan: FleetPlan, load: float, seed: int) -> list[Request]:
    """Fresh requests; turns of one conversation ask the same model."""
    stretch = _rate(trace) / (load * capacity(trace, plan))
    draw = _Models(len(plan.models), seed)
    return [
        Request(i, r.at_s * stretch, draw.model(r.blocks), r.prompt, r.output, r.blocks)
        for i, r in enumerate(trace)
    ]


def capacity(trace: Sequence[Recorded], plan: FleetPlan) -> float:
    """Requests a second that keep every worker busy with full batches and no prefix known."""
    prompt = sum(r.prompt for r in trace) / len(trace)
    output = sum(r.output for r in trace) / len(trace)
    return sum(1 / _work_s(gpu, prompt, output) for gpu in plan.workers)


def _work_s(gpu: Gpu, prompt: float, output: float) -> float:
    step = gpu.step_s(gpu.concurrency) / gpu.concurrency
    return prompt / gpu.prefill_tps + output * step


def _rate(trace: Sequence[Recorded]) -> float:
    lasted = trace[-1].at_s - trace[0].at_s
    return (len(trace) - 1) / lasted if lasted > 0 else 1.0


class _Models:
    """Draws models; a conversation is known by the first block that is not everybody's."""

    def __init__(self, count: int, seed: int) -> None:
        self._chance = random.Random(seed)
        self._weights = list(accumulate(1 / rank**ZIPF for rank in range(1, count + 1)))
        self._known: dict[int, int] = {}

    def model(self, blocks: tuple[int, ...]) -> int:
        if len(blocks) < 2:
            return self._draw()
        return self._known.setdefault(blocks[1], self._draw())

    def _draw(self) -> int:
        return self._chance.choices(range(len(self._weights)), cum_weights=self._weights)[0]
