"""Converts rows of the catalog's tables to and from the types in `model`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from modelyard.registry.catalog.adapters import adapter_of
from modelyard.registry.catalog.model import (
    Format,
    ModelFacts,
    ModelVersion,
    Preparing,
    StoredFile,
    Visibility,
)
from modelyard.registry.catalog.tables import VersionFileRow, VersionRow


def version_of(row: VersionRow) -> ModelVersion:
    return ModelVersion(
        id=row.id,
        model=row.model.name,
        number=row.number,
        repo=row.repo,
        revision=row.revision,
        facts=_facts_of(row.facts),
        files=tuple(StoredFile(f.path, f.sha256, f.size) for f in row.files),
        metrics=dict(row.metrics),
        aliases=tuple(sorted(a.alias for a in row.aliases)),
        visibility=Visibility(row.model.visibility),
        owner_id=row.model.owner_id,
        created_at=row.created_at,
        mlflow_version=row.mlflow_version,
        adapters=tuple(map(adapter_of, row.model.adapters)),
        preparing=tuple(Preparing(p.alias, p.since, p.until) for p in row.preparations),
    )


def _facts_of(stored: dict[str, Any]) -> ModelFacts:
    rest = {name: value for name, value in stored.items() if name != "format"}
    return ModelFacts(format=Format(stored["format"]), **rest)


def facts_row(facts: ModelFacts) -> dict[str, Any]:
    return {**asdict(facts), "format": facts.format.value}


def file_rows(files: Sequence[StoredFile]) -> list[VersionFileRow]:
    return [
        VersionFileRow(path=f.path, position=position, sha256=f.sha256, size=f.size)
        for position, f in enumerate(files)
    ]
