"""The fleet to simulate, as its JSON file describes it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.routing.faults import BadInput, number, whole


@dataclass(frozen=True, slots=True)
class Gpu:
    """One worker; `kind` is what like workers have in common, as a card's name would be.

    `slowdown` is how much longer a decode step takes with each stream added, as a share of a lone
    stream's step; as a default a stream at full concurrency has half its lone speed.
    """

    name: str
    kind: str
    memory_gb: float
    prefill_tps: float
    decode_tps: float
    concurrency: int
    slowdown: float

    def step_s(self, streams: int) -> float:
        """Seconds in which each of so many streams writes one token."""
        return (1 + self.slowdown * max(0, streams - 1)) / self.decode_tps


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What a model needs."""

    name: str
    memory_gb: float
    load_s: float


@dataclass(frozen=True, slots=True)
class SpeedChange:
    """From `at_s` on a worker has this share of its speed."""

    at_s: float
    worker: str
    speed: float


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """Workers, models by falling popularity, and what happens to them."""

    workers: tuple[Gpu, ...]
    models: tuple[ModelProfile, ...]
    events: tuple[SpeedChange, ...] = ()
    telemetry_delay_s: float = 0.0


def read_fleet(path: Path) -> FleetPlan:
    """Raises BadInput with the field that is wrong."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}.") from None
    except ValueError as error:
        raise BadInput(f"{path}: not JSON ({error}).") from None
    return plan_of(document, str(path))


def plan_of(document: Any, where: str) -> FleetPlan:
    """The same from JSON that has been read."""
    top = _object(document, where)
    workers = tuple(w for i, r in _rows(top, "workers", where) for w in _gpus(i, r))
    models = tuple(_model(row, place) for place, row in _rows(top, "models", where))
    events = tuple(_event(row, place) for place, row in _rows(top, "events", where, need=False))
    plan = FleetPlan(workers, models, events, _number(top, "telemetry_delay_s", where, default=0))
    _check(plan, where)
    return plan


def _check(plan: FleetPlan, where: str) -> None:
    names = {w.name for w in plan.workers}
    if len(names) < len(plan.workers) or len({m.name for m in plan.models}) < len(plan.models):
        raise BadInput(f"{where}: workers and models need names of their own.")
    for event in plan.events:
        if event.worker not in names:
            raise BadInput(f"{where}: events name {event.worker!r}; workers are {_few(names)}.")
    most = max(w.memory_gb for w in plan.workers)
    for model in plan.models:
        if model.memory_gb > most:
            raise BadInput(
                f"{where}: model {model.name!r} needs {model.memory_gb:g} GB; "
                f"the largest worker has {most:g}."
            )


def _few(names: set[str]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(shown) + (" …" if len(names) > len(shown) else "")


def _gpus(where: str, row: Any) -> list[Gpu]:
    fields = _object(row, where)
    name = _name(fields, where)
    slots = whole(_field(fields, "max_concurrency", where), f"{where}.max_concurrency", least=1)
    memory = _number(fields, "memory_gb", where, positive=True)
    prefill = _number(fields, "prefill_tps", where, positive=True)
    decode = _number(fields, "decode_tps", where, positive=True)
    slowdown = _number(fields, "batch_slowdown", where, default=1 / (slots - 1) if slots > 1 else 0)
    count = whole(fields.get("count", 1), f"{where}.count", least=1)
    return [
        Gpu(f"{name}-{i}", name, memory, prefill, decode, slots, slowdown) for i in range(count)
    ]


def _model(row: Any, where: str) -> ModelProfile:
    fields = _object(row, where)
    memory = _number(fields, "memory_gb", where, positive=True)
    return ModelProfile(_name(fields, where), memory, _number(fields, "load_s", where))


def _event(row: Any, where: str) -> SpeedChange:
    fields = _object(row, where)
    worker = str(_field(fields, "worker", where))
    speed = _number(fields, "speed", where, positive=True)
    return SpeedChange(_number(fields, "at_s", where), worker, speed)


def _rows(
    top: dict[str, Any], name: str, where: str, *, need: bool = True
) -> list[tuple[str, Any]]:
    rows = top.get(name, [])
    if not isinstance(rows, list) or (need and not rows):
        raise BadInput(f"{where}: {name}: expected a list{' with something in it' * need}.")
    return [(f"{where}: {name}[{i}]", row) for i, row in enumerate(rows)]


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{where}: expected a JSON object.")
    return value


def _field(fields: dict[str, Any], name: str, where: str) -> Any:
    if name not in fields:
        raise BadInput(f"{where}: no field {name!r}.")
    return fields[name]


def _name(fields: dict[str, Any], where: str) -> str:
    name = _field(fields, "name", where)
    if not isinstance(name, str) or not name:
        raise BadInput(f"{where}.name: expected a text, found {name!r}.")
    return name


def _number(
    fields: dict[str, Any],
    name: str,
    where: str,
    *,
    default: float | None = None,
    positive: bool = False,
) -> float:
    value = _field(fields, name, where) if default is None else fields.get(name, default)
    return number(value, f"{where}.{name}", least=0, strictly=positive)
