"""Registrations that were begun, failed, and were never taken up again are cleared away."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import ModelyardError
from modelyard.registry.mlflow.mirror import MlflowRegistry
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store

PATIENCE = timedelta(days=7)
"""For so long the same command continues where it was."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Forgets them where they are known: catalog and pins at once, then MLflow and the index."""

    settings: RegistrySettings
    catalog: Catalog
    store: Store
    mlflow: MlflowRegistry

    def clear(self, now: datetime) -> list[str]:
        """Sentences: each version that went, and what MLflow or the index could not be told."""
        released: list[str] = []

        def let_go(version: ModelVersion) -> None:
            released.extend(self.store.unpin(f"version:{version.id}"))

        gone = self.catalog.give_up(now - PATIENCE, let_go)
        for sha256 in released:  # files that another version shares stay
            self.store.remove(sha256)
        return [f"Given up: {version.ref}. {self._forget(version)}".strip() for version in gone]

    def _forget(self, version: ModelVersion) -> str:
        """Why something of it stays there, if so: without its version nobody finds it."""
        try:
            open_index(self.settings).remove(version.id)
            self.mlflow.forget(version)
        except ModelyardError as error:
            return str(error)
        return ""
