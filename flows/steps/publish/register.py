"""A measured build becomes a version: begun where nobody sees it, finished in one transaction.

Between the two come pins, card index and MLflow. Every write is idempotent: a process that dies in
between leaves what nobody sees, and the same run completes it, or upkeep clears it away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion, StoredFile, Visibility
from modelyard.registry.mlflow.mirror import MlflowRegistry
from modelyard.registry.store import Store


@dataclass(frozen=True, slots=True)
class Registration:
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

    def begin(
        self,
        entry: Registration,
        snapshot: HubSnapshot,
        build: BuiltModel,
        companion_files: Sequence[StoredFile],
        *,
        metrics: Mapping[str, float],
    ) -> ModelVersion:
        """A version that is not there for anybody yet, its files pinned; as often as one likes."""
        version = self.catalog.register(
            entry.model,
            snapshot.repo,
            snapshot.commit,
            build.facts,
            list(dict.fromkeys([*build.files, *companion_files])),
            metrics,
            entry.visibility,
            entry.owner_id,
            pending=True,
        )
        for file in version.files:
            self.store.pin(file.sha256, f"version:{version.id}")
        return version

    def finish(self, version: ModelVersion, build: BuiltModel) -> ModelVersion:
        """Record it in MLflow with its lineage; then it is there for all, as champion or candidate.

        Raises MlflowUnavailable, and nobody sees it.
        """
        number = self.mlflow.register(
            version, lineage_of(version, build), params_of(version), version.metrics
        )
        return self.catalog.finish(version.id, number)


def lineage_of(version: ModelVersion, build: BuiltModel) -> dict[str, str]:
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
