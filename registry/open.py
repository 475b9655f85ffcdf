"""Open what the settings name: the database, brought up to date, and the store."""

from registry.changes import Changes
from registry.database import Database
from registry.migrate import migrate
from registry.private import close_to_others
from registry.settings import RegistrySettings
from registry.store import Store


def open_database(settings: RegistrySettings) -> Database:
    close_to_others(settings.data_dir)
    db = Database.connect(settings.database)
    migrate(db)
    if settings.redis_url:
        Changes.to(settings.redis_url.get_secret_value()).follow(db)
    return db


def open_store(settings: RegistrySettings) -> Store:
    return Store(settings.store, int(settings.store_max_gb * 1e9))
