"""The database, store and settings that a flow run works with."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from modelyard.flows.settings import FlowSettings
from modelyard.flows.steps.publish.abandoned import GivenUp
from modelyard.flows.steps.publish.already_registered import AlreadyRegistered
from modelyard.flows.steps.publish.recard import Recarder
from modelyard.registry.cards.card import CardIndex
from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.adapters import AdapterCatalog
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.database import Database
from modelyard.registry.files.file_book import FileBook
from modelyard.registry.fleet.fleet import Fleet
from modelyard.registry.installation import open_database, open_store
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.keeping.upkeep import QueueUpkeep
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.mlflow.aliases import MlflowAliases
from modelyard.registry.mlflow.mirror import MlflowRegistry
from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.orders import OrderBook
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.served_flows import ServedFlows
from modelyard.registry.settings import RegistrySettings, load
from modelyard.registry.store import Store


@dataclass(frozen=True, slots=True)
class FlowContext:
    """The registry's parts and the flows' settings, for the length of a run."""

    settings: FlowSettings
    registry: RegistrySettings
    db: Database
    store: Store

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.db)

    @property
    def files(self) -> FileBook:
        return FileBook(self.db)

    @property
    def adapters(self) -> AdapterCatalog:
        return AdapterCatalog(self.db)

    @property
    def results(self) -> BuildRecords:
        return BuildRecords(self.db)

    @property
    def board(self) -> RunBoard:
        return RunBoard(self.db)

    @property
    def orders(self) -> OrderBook:
        return OrderBook(self.db)

    @property
    def flow_processes(self) -> FlowProcesses:
        return FlowProcesses(self.db)

    @property
    def job_queue(self) -> JobQueue:
        return JobQueue(self.db, lease_s=self.settings.request_lease_s)

    @property
    def job_upkeep(self) -> QueueUpkeep:
        return QueueUpkeep(self.db, self.job_queue, self.settings.requests_days)

    @property
    def job_book(self) -> JobBook:
        return JobBook(self.db)

    @property
    def served_flows(self) -> ServedFlows:
        return ServedFlows(self.db)

    @property
    def known(self) -> AlreadyRegistered:
        return AlreadyRegistered(self.catalog, self.results, self.store)

    @property
    def mlflow(self) -> MlflowRegistry:
        return MlflowRegistry(self.registry.mlflow)

    @property
    def index(self) -> CardIndex:
        """The card index, written without vectors of meaning."""
        return open_index(self.registry)

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
        """Memory in bytes of the largest device: as set, else of the workers, else of this host."""
        if self.settings.device_memory_gb:
            return int(self.settings.device_memory_gb * 1e9)
        totals = [worker.device.memory_total for worker in Fleet(self.db).workers()]
        return max((total for total in totals if total), default=psutil.virtual_memory().total)


@contextmanager
def open_context() -> Generator[FlowContext]:
    """Read the settings and open the database and store; raises SettingsInvalid."""
    registry = load(RegistrySettings)
    db = open_database(registry)
    try:
        yield FlowContext(load(FlowSettings), registry, db, open_store(registry))
    finally:
        db.close()
