"""Opens the configured database, migrated to the newest revision, and the store."""

from modelyard.registry.changes import Changes
from modelyard.registry.database import Database, sqlite_file
from modelyard.registry.migrate import migrate
from modelyard.registry.process.private_files import close_database, close_to_others
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store


def open_database(settings: RegistrySettings) -> Database:
    close_to_others(settings.data_dir)
    for url in (settings.database, settings.mlflow):
        file = sqlite_file(url)
        if file is not None and not file.is_relative_to(settings.data_dir):
            close_database(file)
    db = Database.connect(settings.database, answer_s=settings.database_answer_s)
    migrate(db)
    if settings.redis_url:
        Changes.to(settings.redis_url.get_secret_value()).follow(db)
    return db


def open_store(settings: RegistrySettings) -> Store:
    return Store(settings.store, int(settings.store_max_gb * 1e9))
