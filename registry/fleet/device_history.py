"""The history of each device: samples of its measurements, thinned out as they age."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, literal_column, select

from modelyard.registry.database import Database
from modelyard.registry.fleet.tables import GpuSampleRow

COARSE_S = 60
FINE_FOR = timedelta(days=1)
"""Samples older than this are merged into one per minute."""

KEPT_FOR = timedelta(days=30)


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
        """Means per step of `step_s` s in [start, end), oldest first; empty steps are left out."""
        here = (
            GpuSampleRow.device_id == device_id,
            GpuSampleRow.at >= int(start.timestamp()),
            GpuSampleRow.at < int(end.timestamp()),
        )
        with self.db.read() as session:
            rows = session.execute(_means(step_s, *here)).mappings()
            return [_sample(dict(row)) for row in rows]

    def thin(self, now: datetime) -> int:
        """Merge samples older than a day into minute means; delete those older than 30 days.

        Returns by how many rows the table shrank. Runs in one transaction, so an interruption loses
        nothing.
        """
        old = GpuSampleRow.at < _whole_minute(now - FINE_FOR)
        fine = GpuSampleRow.seconds < COARSE_S
        with self.db.begin() as session:
            before = session.scalar(select(func.count()).select_from(GpuSampleRow)) or 0
            found = session.execute(_means(COARSE_S, old, fine)).mappings()
            means = [asdict(_sample(dict(row))) for row in found]
            session.execute(delete(GpuSampleRow).where(old, fine))
            if means:
                session.execute(insert(GpuSampleRow), means)
            aged = GpuSampleRow.at < int((now - KEPT_FOR).timestamp())
            session.execute(delete(GpuSampleRow).where(aged))
            return before - (session.scalar(select(func.count()).select_from(GpuSampleRow)) or 0)


def _means(step_s: int, *where: ColumnElement[bool]) -> Select[Any]:
    # A literal: PostgreSQL treats two parameters of equal value as two different expressions.
    step: ColumnElement[int] = literal_column(str(int(step_s)))
    begin = (GpuSampleRow.at // step * step).label("begin")
    means = [func.avg(getattr(GpuSampleRow, name)).label(name) for name in _MEANS]
    throttle = func.max(GpuSampleRow.throttle).label("throttle")
    seconds = step.label("seconds")
    return (
        select(GpuSampleRow.device_id, begin, seconds, throttle, *means)
        .where(*where)
        .group_by(GpuSampleRow.device_id, GpuSampleRow.at // step * step)
        .order_by(begin)
    )


def _sample(row: dict[str, Any]) -> Sample:
    """Build a sample from a row; PostgreSQL returns averages as decimals."""
    means: dict[str, Any] = {n: None if row[n] is None else float(row[n]) for n in _MEANS}
    used = means["memory_used"]
    means["memory_used"] = None if used is None else round(used)
    named = {name: row[name] for name in ("device_id", "seconds", "throttle")}
    return Sample(at=row["begin"], **named, **means)


def _whole_minute(time: datetime) -> int:
    return int(time.astimezone(UTC).timestamp()) // COARSE_S * COARSE_S
