"""Registrations that were begun, failed, and were never taken up again are cleared away."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.card_index import open_index
from registry.catalog import Catalog
from registry.errors import ModelyardError
from registry.mlflow_registry import MlflowRegistry
from registry.names import ModelVersion
from registry.settings import RegistrySettings
from registry.store import Store

PATIENCE = timedelta(days=7)
"""For so long the same command continues where it was."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Forgets them where they are known: catalog and pins at once, then MLflow and the index."""

    settings: RegistrySettings
    catalog: Catalog
    store: Store
    mlflow: MlflowRegistry

    def clear(self, now: datetime) -> Generator[str]:
        """Each version that went, and what of it could not be told to MLflow or the index."""
        released: list[str] = []

        def let_go(version: ModelVersion) -> None:
            released.extend(self.store.unpin(f"version:{version.id}"))

        for version in self.catalog.give_up(now - PATIENCE, let_go):
            yield f"Given up: {version.ref} of {version.created_at:%Y-%m-%d}."
            yield from self._forget(version)
        for sha256 in released:  # files that another version shares stay
            self.store.remove(sha256)

    def _forget(self, version: ModelVersion) -> Generator[str]:
        """What stays there has no version here, and so nobody finds it."""
        try:
            open_index(self.settings).remove(version.id)
            self.mlflow.forget(version)
        except ModelyardError as error:
            yield str(error)
