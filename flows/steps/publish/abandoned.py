"""Deletes registrations that failed and were not resumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.database import utc_now
from modelyard.registry.errors import ModelyardError
from modelyard.registry.mlflow.mirror import MlflowRegistry
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store

PATIENCE = timedelta(days=7)
"""For this long, running the same command again resumes the registration."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Deletes abandoned registrations: first from catalog and pins, then from MLflow and index."""

    settings: RegistrySettings
    catalog: Catalog
    store: Store
    mlflow: MlflowRegistry

    def clear(self, now: datetime) -> list[str]:
        """Delete abandoned registrations; returns a sentence per version, including failures."""
        return self._give_up(now - PATIENCE)

    def drop(self, version: ModelVersion) -> str:
        """Delete an unfinished registration now; returns a sentence, empty if it is finished."""
        return "".join(self._give_up(utc_now(), [version]))

    def disown(self, version: ModelVersion) -> str:
        """Remove what a registration wrote after its version had been removed from the catalog."""
        for sha256 in self.store.unpin(f"version:{version.id}"):
            self.store.remove(sha256)
        return self._forget(version)

    def _give_up(
        self, begun_before: datetime, versions: Sequence[ModelVersion] | None = None
    ) -> list[str]:
        released: list[str] = []

        def let_go(version: ModelVersion) -> None:
            released.extend(self.store.unpin(f"version:{version.id}"))

        gone = self.catalog.give_up(begun_before, let_go, versions)
        for sha256 in released:  # files that another version pins stay
            self.store.remove(sha256)
        return [f"Given up: {version.ref}. {self._forget(version)}".strip() for version in gone]

    def _forget(self, version: ModelVersion) -> str:
        """Delete a version from index and MLflow; returns the reason if that fails."""
        try:
            open_index(self.settings).remove(version.id)
            self.mlflow.forget(version)
        except ModelyardError as error:
            return str(error)
        return ""
