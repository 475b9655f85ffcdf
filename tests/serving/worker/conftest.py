"""What a worker's tests stand on: a real catalog and store, and versions of the mock format."""

from collections.abc import Generator
from pathlib import Path

import pytest

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.database import Database
from modelyard.registry.store import Store
from tests.serving.worker.filled_catalog import FilledCatalog


@pytest.fixture
def anyio_backend() -> str:
    """The product runs on asyncio alone."""
    return "asyncio"


@pytest.fixture
def catalog_files(sqlite_url: str, tmp_path: Path) -> Generator[FilledCatalog]:
    """Registered versions to load."""
    database = Database.connect(sqlite_url)
    yield FilledCatalog(Catalog(database), Store(tmp_path / "store", 10**10))
    database.close()
