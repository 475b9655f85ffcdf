"""Whether any device could take a job at all, and whether it would help to wait for one."""

from collections.abc import Iterable
from dataclasses import dataclass

from modelyard.registry.fleet.fleet import WorkerView
from modelyard.serving.errors import Unavailable

MB = 1_000_000
RETRY_S = 60.0
"""Seconds to try again after; when a device comes back, or a larger one is added, is unknown."""


class NoSuitableDevice(Unavailable):
    """No device that takes work now is large enough for a request."""

    code = "no_suitable_gpu"
    retry_after = RETRY_S


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """The bytes that a request for `model` needs on a device; `is_asked` by its submitter."""

    model: str
    needed: int
    is_asked: bool

    def __str__(self) -> str:
        why = "as was asked" if self.is_asked else "for its weights alone"
        return f"{self.model} needs {_mb(self.needed)} MB ({why})"


def check_suitable(
    need: MemoryNeed, living: Iterable[WorkerView], others: Iterable[WorkerView]
) -> None:
    """Raise NoSuitableDevice where no living device that takes work has the memory.

    `others` are those that were here within a day: a large enough one is worth waiting for. A
    device that does not tell how much memory it has is taken to have enough.
    """
    here = [*living]
    fit = [worker for worker in here if worker.device.takes_work]
    if any(_holds(worker, need) for worker in fit):
        return
    away = [w for w in [*here, *others] if not w.device.takes_work or w not in here]
    raise NoSuitableDevice(f"{need}, and {_best(fit)}.", fix=_prospect(need, away, fit))


def _holds(worker: WorkerView, need: MemoryNeed) -> bool:
    total = worker.device.memory_total
    return total is None or total >= need.needed


def _best(fit: list[WorkerView]) -> str:
    if not fit:
        return "no device takes work now"
    best = max(fit, key=_memory)
    return f"the best device that takes work, {best.device_id}, has {_mb(_memory(best))} MB"


def _prospect(need: MemoryNeed, away: list[WorkerView], fit: list[WorkerView]) -> str:
    larger = [worker for worker in away if _holds(worker, need)]
    if larger:
        first = max(larger, key=_memory)
        return f"Waiting would help: {first.device_id} is large enough, and {_why_away(first)}."
    if not fit and not away:
        return "Waiting would help once a worker runs: `modelyard worker`, or `modelyard up`."
    return "Waiting would not help: ask for less memory, a smaller model, or add a larger device."


def _why_away(worker: WorkerView) -> str:
    device = worker.device
    if device.takes_work:
        return "its worker gives no sign of life"
    return f"is in {device.status} ({device.reason or 'no reason'})"


def _memory(worker: WorkerView) -> int:
    return worker.device.memory_total or 0


def _mb(size: int) -> int:
    return round(size / MB)
