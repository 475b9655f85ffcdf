"""A measured build becomes a version: catalog, pins, card index, and MLflow last of all.

Every write is idempotent, and MLflow's number in the catalog marks the version as finished: a
process that dies in between leaves a state from which the same run completes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.steps.built import Build
from flows.steps.hub import Snapshot
from registry.catalog import Catalog
from registry.mlflow_registry import MlflowRegistry
from registry.names import ModelVersion, StoredFile, Visibility
from registry.store import Store


@dataclass(frozen=True, slots=True)
class Entry:
    """Under which name and for whom a build is registered."""

    model: str
    visibility: Visibility = Visibility.PUBLIC
    owner_id: str | None = None


@dataclass(frozen=True, slots=True)
class Registrar:
    """Enters builds into the registry."""

    catalog: Catalog
    store: Store
    mlflow: MlflowRegistry

    def enter(
        self,
        entry: Entry,
        snapshot: Snapshot,
        build: Build,
        papers: Sequence[StoredFile],
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """The version in the catalog, its files pinned; callable any number of times."""
        version = self.catalog.register(
            entry.model,
            snapshot.repo,
            snapshot.commit,
            build.facts,
            list(dict.fromkeys([*build.files, *papers])),
            metrics,
            entry.visibility,
            entry.owner_id,
        )
        for file in version.files:
            self.store.pin(file.sha256, f"version:{version.id}")
        return version

    def record(self, version: ModelVersion, build: Build) -> None:
        """The version in MLflow with its lineage, and with that finished."""
        number = self.mlflow.register(
            version, lineage_of(version, build), params_of(version), version.metrics
        )
        self.catalog.set_mlflow_version(version.id, number)


def lineage_of(version: ModelVersion, build: Build) -> dict[str, str]:
    """From the Hub's commit to the file that is served."""
    made = {"recipe": build.recipe} if build.recipe else {}
    return {
        "hub_repository": version.repo,
        "hub_commit": version.revision,
        "source_file": build.source.path,
        "source_sha256": build.source.sha256,
        "file": build.file.path,
        "file_sha256": build.file.sha256,
        **made,
    }


def params_of(version: ModelVersion) -> dict[str, Any]:
    facts = version.facts
    named = {
        "format": facts.format.value,
        "kind": facts.kind.value,
        "architecture": facts.architecture,
        "quantization": facts.quantization,
        "parameters": facts.parameters,
        "context_length": facts.context_length,
        "licence": facts.licence,
        "size": version.size,
    }
    return {name: value for name, value in named.items() if value is not None}
