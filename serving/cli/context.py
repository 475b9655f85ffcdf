"""The registry's rooms for one command: opened from the settings, closed at its end."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.database import Database
from modelyard.registry.fleet.device_orders import DeviceOrders
from modelyard.registry.fleet.fleet import Fleet
from modelyard.registry.identity.identity import Identity, secret_key
from modelyard.registry.installation import open_database, open_store
from modelyard.registry.settings import RegistrySettings, load
from modelyard.registry.store import Store


@dataclass(frozen=True, slots=True)
class InstallationContext:
    """What commands on this installation work with."""

    settings: RegistrySettings
    database: Database

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.database)

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.database)

    @property
    def device_orders(self) -> DeviceOrders:
        return DeviceOrders(self.database)

    @property
    def store(self) -> Store:
        return open_store(self.settings)

    @property
    def identity(self) -> Identity:
        return Identity(self.database, secret_key(self.settings))


@contextmanager
def installation() -> Generator[InstallationContext]:
    settings = load(RegistrySettings)
    database = open_database(settings)
    try:
        yield InstallationContext(settings, database)
    finally:
        database.close()
