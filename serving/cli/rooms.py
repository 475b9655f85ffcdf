"""The registry's rooms for one command: opened from the settings, closed at its end."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from registry.catalog import Catalog
from registry.database import Database
from registry.fleet import Fleet
from registry.identity import Identity, secret_key
from registry.open import open_database
from registry.settings import RegistrySettings, load


@dataclass(frozen=True, slots=True)
class Rooms:
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
    def identity(self) -> Identity:
        return Identity(self.database, secret_key(self.settings))


@contextmanager
def rooms() -> Generator[Rooms]:
    settings = load(RegistrySettings)
    database = open_database(settings)
    try:
        yield Rooms(settings, database)
    finally:
        database.close()
