"""Registers a measured build: begun invisibly, then made visible in one transaction.

In between, the files are pinned and the card index and MLflow are written. Every write is
idempotent. If the process dies in between, nothing is visible; the same run completes the
registration later, or upkeep deletes it.
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
    """The name, visibility and owner under which a build is registered."""

    model: str
    visibility: Visibility = Visibility.PUBLIC
    owner_id: str | None = None


@dataclass(frozen=True, slots=True)
class Registrar:
    """Registers builds."""

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
        """Create an invisible version and pin its files; safe to repeat."""
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
        """Record the version in MLflow with its lineage, then make it visible with its first alias.

        Raises MlflowUnavailable, in which case the version stays invisible.
        """
        number = self.mlflow.register(
            version, lineage_of(version, build), params_of(version), version.metrics
        )
        return self.catalog.finish(version.id, number)


def lineage_of(version: ModelVersion, build: BuiltModel) -> dict[str, str]:
    """The lineage from the Hub's commit to the served file."""
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
