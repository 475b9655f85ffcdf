"""The history of each device: samples of its measurements, coarser the older they are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, case, cast, func, literal_column, select

from modelyard.registry.database import Database
from modelyard.registry.fleet.tables import GpuSampleRow

MINUTE_S = 60
HOUR_S = 3600
RAW_FOR = timedelta(days=1)
"""Samples older than this are merged into one per minute (`modelyard.registry.fleet.rollup`)."""

MINUTES_FOR = timedelta(days=30)
"""Minutes older than this are merged into one per hour, which is kept for ever."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A device's measurements over `seconds` from `at` (Unix time in s); None means not reported.

    Utilization 0..1, memory in bytes, temperature in Celsius, power in Watts; `throttle` lists the
    throttle reasons, separated by commas.
    """

    device_id: str
    at: int
    seconds: int
    utilization: float | None = None
    memory_used: int | None = None
    temperature: float | None = None
    power_usage: float | None = None
    throttle: str = ""
    active_requests: float = 0.0
    queued_requests: float = 0.0
    tokens_per_s: float = 0.0


_MEANS = (
    "utilization",
    "memory_used",
    "temperature",
    "power_usage",
    "active_requests",
    "queued_requests",
    "tokens_per_s",
)


@dataclass(frozen=True, slots=True)
class DeviceHistory:
    """The table of samples."""

    db: Database

    def add(self, samples: Sequence[Sample]) -> None:
        """Store a batch; a sample for a second that already has one replaces it."""
        with self.db.begin() as session:
            for sample in samples:
                session.merge(GpuSampleRow(**asdict(sample)))

    def between(self, device_id: str, start: datetime, end: datetime, step_s: int) -> list[Sample]:
        """Means per step of `step_s` s in [start, end), oldest first; empty steps are left out.

        A sample counts in the step in which it begins; steps shorter than `resolution_s` have gaps.
        """
        here = (
            GpuSampleRow.device_id == device_id,
            GpuSampleRow.at >= int(start.timestamp()),
            GpuSampleRow.at < int(end.timestamp()),
        )
        with self.db.read() as session:
            rows = session.execute(means(step_s, *here)).mappings()
            return [sample_of(dict(row)) for row in rows]


def resolution_s(begin: datetime, now: datetime) -> int:
    """The seconds of the coarsest samples that are kept of the times since `begin`; 1: all."""
    if begin < now - MINUTES_FOR:
        return HOUR_S
    return MINUTE_S if begin < now - RAW_FOR else 1


def means(step_s: int, *where: ColumnElement[bool]) -> Select[Any]:
    """One row for each device and step; each sample weighs as much as the time it is about."""
    # A literal: PostgreSQL treats two parameters of equal value as two different expressions.
    step: ColumnElement[int] = literal_column(str(int(step_s)))
    begin = (GpuSampleRow.at // step * step).label("begin")
    columns = [_mean(getattr(GpuSampleRow, name)).label(name) for name in _MEANS]
    throttle = func.max(GpuSampleRow.throttle).label("throttle")
    seconds = step.label("seconds")
    return (
        select(GpuSampleRow.device_id, begin, seconds, throttle, *columns)
        .where(*where)
        .group_by(GpuSampleRow.device_id, GpuSampleRow.at // step * step)
        .order_by(begin)
    )


def _mean(column: Any) -> ColumnElement[float]:
    weight = case((column.is_(None), None), else_=GpuSampleRow.seconds)
    return func.sum(cast(column, Float) * weight) / func.sum(weight)


def sample_of(row: dict[str, Any]) -> Sample:
    """Build a sample from a row of `means`."""
    found: dict[str, Any] = {n: None if row[n] is None else float(row[n]) for n in _MEANS}
    used = found["memory_used"]
    found["memory_used"] = None if used is None else round(used)
    named = {name: row[name] for name in ("device_id", "seconds", "throttle")}
    return Sample(at=row["begin"], **named, **found)
