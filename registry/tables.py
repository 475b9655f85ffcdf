"""The tables, one class each; rows are turned into `registry.names` before they leave this room."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.database import Base, UtcDateTime, utc_now


def new_id() -> str:
    return str(uuid.uuid4())


class UserRow(Base):
    """A person or a program; `password_hash` is argon2id, absent for key-only users."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sessions_valid_from: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class ApiKeyRow(Base):
    """A program's key, kept as its sha256; `prefix` lets people tell keys apart."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UserQuotaRow(Base):
    """What a user may use; `period` tells counts apart that were begun anew."""

    __tablename__ = "user_quotas"
    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    gpu_limit: Mapped[int] = mapped_column(default=0)
    request_limit: Mapped[int] = mapped_column(BigInteger, default=0)
    request_count: Mapped[int] = mapped_column(BigInteger, default=0)
    priority_limit: Mapped[int] = mapped_column(default=5)
    expiration_time: Mapped[datetime | None] = mapped_column(UtcDateTime)
    period: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class ModelRow(Base):
    """A named model, the parent of its versions and aliases."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    visibility: Mapped[str] = mapped_column(String(10))
    owner_id: Mapped[str | None] = mapped_column(String(36))
    last_number: Mapped[int] = mapped_column(default=0)  # numbers of removed versions stay taken
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    versions: Mapped[list["VersionRow"]] = relationship(
        back_populates="model", cascade="all, delete-orphan", order_by="VersionRow.number"
    )
    adapters: Mapped[list["AdapterRow"]] = relationship(
        cascade="all, delete-orphan", order_by="AdapterRow.name"
    )


class AdapterRow(Base):
    """A LoRA adapter that goes with every version of a model; `source` says where it came from."""

    __tablename__ = "adapters"
    __table_args__ = (UniqueConstraint("model_id", "name"),)
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(500))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class VersionRow(Base):
    """One registered build; (model, identity) is unique, so it registers once.

    Until `finished_at` it is being registered: nobody sees it, and no alias points at it.
    """

    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("model_id", "number"),
        UniqueConstraint("model_id", "identity"),
    )
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    number: Mapped[int]
    identity: Mapped[str] = mapped_column(String(64))
    repo: Mapped[str] = mapped_column(String(200))
    revision: Mapped[str] = mapped_column(String(64))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    metrics: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)
    mlflow_version: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    model: Mapped[ModelRow] = relationship(back_populates="versions")
    files: Mapped[list["VersionFileRow"]] = relationship(
        cascade="all, delete-orphan", order_by="VersionFileRow.position"
    )
    aliases: Mapped[list["AliasRow"]] = relationship(
        cascade="all, delete-orphan", foreign_keys="AliasRow.version_id"
    )


class VersionFileRow(Base):
    """A file of a version; position 0 is the one the engine opens."""

    __tablename__ = "version_files"
    version_id: Mapped[str] = mapped_column(
        ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True
    )
    path: Mapped[str] = mapped_column(String(500), primary_key=True)
    position: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class AliasRow(Base):
    """A movable name for a version of a model, such as champion.

    `previous_id` is the version it left, `recorded_id` the one that MLflow was told of last.
    """

    __tablename__ = "aliases"
    model_id: Mapped[str] = mapped_column(
        ForeignKey("models.id", ondelete="CASCADE"), primary_key=True
    )
    alias: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    previous_id: Mapped[str | None] = mapped_column(ForeignKey("versions.id", ondelete="SET NULL"))
    recorded_id: Mapped[str | None] = mapped_column(String(36))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class BuildRow(Base):
    """What a recipe made of a source: the reason a second ingest does no work."""

    __tablename__ = "builds"
    source_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    recipe: Mapped[str] = mapped_column(String(200), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class EvaluationRow(Base):
    """What a recipe measured on a candidate against a reference."""

    __tablename__ = "evaluations"
    candidate_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    reference_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    recipe: Mapped[str] = mapped_column(String(200), primary_key=True)
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class RunRow(Base):
    """A lifecycle run and how far it is, for people who watch."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    flow: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(20))
    step: Mapped[str] = mapped_column(String(50), default="")
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    unit: Mapped[str] = mapped_column(String(20), default="")
    message: Mapped[str] = mapped_column(String(2000), default="")
    prefect_run_id: Mapped[str | None] = mapped_column(String(36))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class WorkerRow(Base):
    """A worker, its device as last measured, and its sign of life."""

    __tablename__ = "workers"
    device_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    url: Mapped[str] = mapped_column(String(300))
    pid: Mapped[int]
    device: Mapped[dict[str, Any]] = mapped_column(JSON)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class EngineRow(Base):
    """A version on a device: loading, ready or failed, and where it answers."""

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


class UsageRow(Base):
    """What one request used; `registry.usage.Used` says what its columns mean."""

    __tablename__ = "usage"
    __table_args__ = (Index("usage_by_time", "at"),)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    request_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str] = mapped_column(String(36))
    model: Mapped[str] = mapped_column(String(200))
    version_id: Mapped[str] = mapped_column(String(36))
    device_id: Mapped[str] = mapped_column(String(100))
    route: Mapped[str] = mapped_column(String(50))
    status: Mapped[str] = mapped_column(String(10))
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    first_byte_ms: Mapped[float | None]
    total_ms: Mapped[float]


class DeviceOrderRow(Base):
    """What an admin has decided about a device: maintenance, and until when faults are cleared."""

    __tablename__ = "device_orders"
    device_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    maintenance: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str] = mapped_column(String(500), default="")
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cleared_ecc: Mapped[int] = mapped_column(BigInteger, default=0)
    changed_by: Mapped[str] = mapped_column(String(100), default="")
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class GpuSampleRow(Base):
    """A device's measures over `seconds` from `at` (Unix time); null is what it does not tell."""

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
    """What a model was estimated to take on a kind of device, and what it took; bytes by part."""

    __tablename__ = "memory_observations"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    device_kind: Mapped[str] = mapped_column(String(100), index=True)
    likeness: Mapped[dict[str, Any]] = mapped_column(JSON)
    estimated: Mapped[dict[str, int]] = mapped_column(JSON)
    measured: Mapped[dict[str, int]] = mapped_column(JSON)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
