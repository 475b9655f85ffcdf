"""How each device has been: samples of its measures, thinned out as they age."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, literal_column, select

from modelyard.registry.database import Database
from modelyard.registry.fleet.tables import GpuSampleRow

COARSE_S = 60
FINE_FOR = timedelta(days=1)
"""Older samples are kept as one for each minute."""

KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Sample:
    """A device's measures over `seconds` from `at`, Unix seconds; None is not told.

    Utilization 0..1, memory in bytes, Celsius, Watts; `throttle` names the reasons, by comma.
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
    """The record of samples."""

    db: Database

    def add(self, samples: Sequence[Sample]) -> None:
        """Keep a batch; one for a second that has one already takes its place."""
        with self.db.begin() as session:
            for sample in samples:
                session.merge(GpuSampleRow(**asdict(sample)))

    def between(self, device_id: str, start: datetime, end: datetime, step_s: int) -> list[Sample]:
        """Means over steps of `step_s` seconds in [start, end), oldest first; gaps are left out."""
        here = (
            GpuSampleRow.device_id == device_id,
            GpuSampleRow.at >= int(start.timestamp()),
            GpuSampleRow.at < int(end.timestamp()),
        )
        with self.db.read() as session:
            rows = session.execute(_means(step_s, *here)).mappings()
            return [_sample(dict(row)) for row in rows]

    def thin(self, now: datetime) -> int:
        """Turn samples of over a day into means of a minute, forget those of over a month.

        Returns how many rows fewer there are. Whatever interrupts it, nothing is lost.
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
    # Written out: PostgreSQL takes two parameters of the same value for two expressions.
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
    """Averages come as decimals from PostgreSQL."""
    means: dict[str, Any] = {n: None if row[n] is None else float(row[n]) for n in _MEANS}
    used = means["memory_used"]
    means["memory_used"] = None if used is None else round(used)
    named = {name: row[name] for name in ("device_id", "seconds", "throttle")}
    return Sample(at=row["begin"], **named, **means)


def _whole_minute(time: datetime) -> int:
    return int(time.astimezone(UTC).timestamp()) // COARSE_S * COARSE_S
