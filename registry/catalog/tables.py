"""Models, versions with their files, aliases, adapters, builds and evaluations."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from modelyard.registry.database import Base, UtcDateTime, new_id, utc_now


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


class ModelNameRow(Base):
    """A name that a model has or had; `folded` is the same for names that are one.

    `last_number` is that of the model that was removed, whose numbers are never given again.
    """

    __tablename__ = "model_names"
    folded: Mapped[str] = mapped_column(String(400), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    last_number: Mapped[int] = mapped_column(default=0)


class AdapterRow(Base):
    """A LoRA adapter for every version of a model; `source` says where it came from."""

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
    """One registered build; (model, identity) is unique, so a build registers only once.

    While `finished_at` is null, registration is in progress: the version is invisible and no alias
    points at it.
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
    preparations: Mapped[list["PreparationRow"]] = relationship(cascade="all, delete-orphan")


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

    `previous_id` is the version it pointed at before; `recorded_id` is the version last sent to
    MLflow.
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


class PreparationRow(Base):
    """A version being prepared for an alias; ignored after `until`.

    Each alias has at most one row: a new preparation replaces it, and `id` tells them apart.
    """

    __tablename__ = "preparations"
    model_id: Mapped[str] = mapped_column(
        ForeignKey("models.id", ondelete="CASCADE"), primary_key=True
    )
    alias: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    id: Mapped[str] = mapped_column(String(36), default=new_id)
    since: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class BuildRow(Base):
    """The file a recipe made from a source; it saves a second ingest from building it again."""

    __tablename__ = "builds"
    source_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    recipe: Mapped[str] = mapped_column(String(200), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class EvaluationRow(Base):
    """The metrics that a recipe measured on a candidate against a reference."""

    __tablename__ = "evaluations"
    candidate_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    reference_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    recipe: Mapped[str] = mapped_column(String(200), primary_key=True)
    metrics: Mapped[dict[str, float]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
