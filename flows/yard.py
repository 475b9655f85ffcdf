"""What a run works with, opened from the settings by whoever starts one."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from flows.settings import FlowSettings
from flows.steps.given_up import GivenUp
from flows.steps.known import Known
from flows.steps.recard import Recarder
from registry.catalog import Catalog
from registry.database import Database
from registry.fleet import Fleet
from registry.mlflow_aliases import MlflowAliases
from registry.mlflow_registry import MlflowRegistry
from registry.open import open_database, open_store
from registry.results import Results
from registry.runs import RunBoard
from registry.settings import RegistrySettings, load
from registry.store import Store


@dataclass(frozen=True, slots=True)
class Yard:
    """The registry's rooms and the flows' settings, for the length of a run."""

    settings: FlowSettings
    registry: RegistrySettings
    db: Database
    store: Store

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.db)

    @property
    def results(self) -> Results:
        return Results(self.db)

    @property
    def board(self) -> RunBoard:
        return RunBoard(self.db)

    @property
    def known(self) -> Known:
        return Known(self.catalog, self.results, self.store)

    @property
    def mlflow(self) -> MlflowRegistry:
        return MlflowRegistry(self.registry.mlflow)

    @property
    def aliases(self) -> MlflowAliases:
        return MlflowAliases(self.db, self.mlflow)

    @property
    def recarder(self) -> Recarder:
        return Recarder(self.registry, self.catalog, self.store)

    @property
    def given_up(self) -> GivenUp:
        return GivenUp(self.registry, self.catalog, self.store, self.mlflow)

    @property
    def threads(self) -> int:
        return self.settings.flow_threads or os.cpu_count() or 1

    def device_memory(self) -> int:
        """Bytes of the largest device that could serve: set, asked of the workers, or our own."""
        if self.settings.device_memory_gb:
            return int(self.settings.device_memory_gb * 1e9)
        totals = [worker.device.get("memory_total") for worker in Fleet(self.db).workers()]
        return max((total for total in totals if total), default=psutil.virtual_memory().total)


@contextmanager
def open_yard() -> Generator[Yard]:
    """Read the settings and open what they name; raises SettingsInvalid."""
    registry = load(RegistrySettings)
    db = open_database(registry)
    try:
        yield Yard(load(FlowSettings), registry, db, open_store(registry))
    finally:
        db.close()
