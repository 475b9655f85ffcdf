"""Tables of workers, engines, device orders and device measurements."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.registry.database import Base, UtcDateTime, utc_now


class WorkerRow(Base):
    """A worker, the last measurement of its device and the time of its last heartbeat."""

    __tablename__ = "workers"
    device_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    url: Mapped[str] = mapped_column(String(300))
    pid: Mapped[int]
    device: Mapped[dict[str, Any]] = mapped_column(JSON)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class EngineRow(Base):
    """A version's engine on a device: its state (loading, ready or failed) and its URL."""

    __tablename__ = "engines"
    __table_args__ = (Index("engines_by_version", "version_id"),)
    device_id: Mapped[str] = mapped_column(
        ForeignKey("workers.device_id", ondelete="CASCADE"), primary_key=True
    )
    version_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    url: Mapped[str] = mapped_column(String(300), default="")
    pid: Mapped[int | None]
    memory_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    load_s: Mapped[float] = mapped_column(default=0.0)
    restarts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(2000), default="")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class DeviceOrderRow(Base):
    """An admin's order for a device: maintenance, and the time until which faults are cleared."""

    __tablename__ = "device_orders"
    device_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    maintenance: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str] = mapped_column(String(500), default="")
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cleared_ecc: Mapped[int] = mapped_column(BigInteger, default=0)
    changed_by: Mapped[str] = mapped_column(String(100), default="")
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class GpuSampleRow(Base):
    """A device's measurements over `seconds` from `at` (Unix time in s); null if not reported."""

    __tablename__ = "gpu_samples"
    device_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    seconds: Mapped[int]
    utilization: Mapped[float | None]
    memory_used: Mapped[int | None] = mapped_column(BigInteger)
    temperature: Mapped[float | None]
    power_usage: Mapped[float | None]
    throttle: Mapped[str] = mapped_column(String(200), default="")
    active_requests: Mapped[float] = mapped_column(default=0.0)
    queued_requests: Mapped[float] = mapped_column(default=0.0)
    tokens_per_s: Mapped[float] = mapped_column(default=0.0)


class MemoryObservationRow(Base):
    """Estimated and measured memory of a model on a kind of device; bytes by part."""

    __tablename__ = "memory_observations"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    device_kind: Mapped[str] = mapped_column(String(100), index=True)
    likeness: Mapped[dict[str, Any]] = mapped_column(JSON)
    estimated: Mapped[dict[str, int]] = mapped_column(JSON)
    measured: Mapped[dict[str, int]] = mapped_column(JSON)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class DeviceStateRow(Base):
    """What is known of a device under one name, such as its state or an alert, and since when."""

    __tablename__ = "device_states"
    device_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[str] = mapped_column(String(20))
    since: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
