"""Each device's speed relative to the best device that serves the same version."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modelyard.registry.fleet.fleet import WorkerView

LEAST_STEPS = 20
"""Steps of one size needed for a speed; with fewer it is mostly noise."""


@dataclass(frozen=True, slots=True)
class Performance:
    """A share of the best device's speed, and the number of this device's steps it is based on."""

    index: float = 1.0
    samples: int = 0


UNMEASURED = Performance()


@dataclass(frozen=True, slots=True)
class _Pace:
    """A version's speed in steps of one size; `like` is (version id, size)."""

    like: tuple[str, str]
    steps: int
    tokens_per_s: float


def performances(workers: Iterable[WorkerView]) -> dict[str, Performance]:
    """Performance by device id, from the heartbeats, so that all gateways report the same.

    A speed is compared if another device runs the same version in steps of the same size. A device
    without anything to compare counts as the best and has index 1.
    """
    paces = {worker.device_id: list(_paces(worker)) for worker in workers}
    known = dict[tuple[str, str], list[float]]()
    for pace in (pace for own in paces.values() for pace in own):
        known.setdefault(pace.like, []).append(pace.tokens_per_s)
    best = {like: max(speeds) for like, speeds in known.items() if len(speeds) > 1}
    return {device_id: _performance(own, best) for device_id, own in paces.items()}


def _paces(worker: WorkerView) -> Iterator[_Pace]:
    for version_id, by_size in worker.device.paces.items():
        for size, (steps, tokens_per_s) in by_size.items():
            if steps >= LEAST_STEPS:
                yield _Pace((version_id, size), steps, tokens_per_s)


def _performance(paces: list[_Pace], best: dict[tuple[str, str], float]) -> Performance:
    shared = [pace for pace in paces if pace.like in best]
    if not shared:
        return Performance(samples=sum(pace.steps for pace in paces))
    samples = sum(pace.steps for pace in shared)
    weighed = sum(pace.steps * pace.tokens_per_s / best[pace.like] for pace in shared)
    return Performance(round(weighed / samples, 4), samples)
