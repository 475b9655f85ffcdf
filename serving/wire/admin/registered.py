"""GET /api/v1/models and /api/v1/runs: registered models, and lifecycle runs."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.wire.admin.promotion import PreparingFor

if TYPE_CHECKING:
    from modelyard.registry.fleet.fleet import EngineView


class LoadedOn(BaseModel):
    """Where a version is loaded, or why it could not be."""

    device_id: str
    state: str
    memory_bytes: int
    load_s: float
    restarts: int
    error: str

    @classmethod
    def of(cls, engine: "EngineView") -> Self:
        return cls(
            device_id=engine.device_id,
            state=engine.state,
            memory_bytes=engine.memory_bytes,
            load_s=engine.load_s,
            restarts=engine.restarts,
            error=engine.error,
        )


class RegisteredVersion(BaseModel):
    """One version of a model; sizes in bytes."""

    id: str
    number: int
    repo: str
    revision: str
    aliases: list[str]
    adapters: list[str]
    format: str
    kind: str
    architecture: str
    quantization: str | None
    context_length: int | None
    parameters: int | None
    licence: str | None
    size: int
    sha256: str
    metrics: dict[str, float]
    mlflow_version: str | None
    created_at: datetime
    engines: list[LoadedOn]
    preparing: list[PreparingFor] = []

    @classmethod
    def of(cls, version: ModelVersion, engines: "Iterable[EngineView]") -> Self:
        """A version, with those of `engines` that are its own."""
        facts = version.facts
        return cls(
            id=version.id,
            number=version.number,
            repo=version.repo,
            revision=version.revision,
            aliases=list(version.aliases),
            adapters=[adapter.name for adapter in version.adapters],
            format=facts.format,
            kind=facts.kind,
            architecture=facts.architecture,
            quantization=facts.quantization,
            context_length=facts.context_length,
            parameters=facts.parameters,
            licence=facts.licence,
            size=version.size,
            sha256=version.main.sha256,
            metrics=version.metrics,
            mlflow_version=version.mlflow_version,
            created_at=version.created_at,
            engines=[LoadedOn.of(e) for e in engines if e.version_id == version.id],
            preparing=PreparingFor.all_of(version.preparing),
        )


class RegisteredModel(BaseModel):
    """A model and its versions, the newest first.

    `previous` is the number of the version that was champion before the one of now.
    """

    name: str
    visibility: str
    previous: int | None = None
    versions: list[RegisteredVersion]

    @classmethod
    def all_of(
        cls,
        versions: Iterable[ModelVersion],
        engines: "Sequence[EngineView]",
        replaced: Collection[str] = (),
    ) -> list[Self]:
        """Group versions, sorted by model, into models; `replaced` are ids of past champions."""
        return [
            cls(
                name=name,
                visibility=(members := list(group))[0].visibility,
                previous=next((v.number for v in members if v.id in replaced), None),
                versions=[RegisteredVersion.of(v, engines) for v in members],
            )
            for name, group in groupby(versions, key=lambda v: v.model)
        ]


class RegisteredModels(BaseModel):
    """Every model the caller may see."""

    models: list[RegisteredModel]


class LifecycleRun(BaseModel):
    """A lifecycle run: its step, and how much of it is done."""

    id: str
    flow: str
    subject: str
    state: str
    step: str
    done: int
    total: int
    unit: str
    message: str
    prefect_run_id: str | None
    started_at: datetime
    updated_at: datetime


class LifecycleRuns(BaseModel):
    """The latest runs, the newest first."""

    runs: list[LifecycleRun]
