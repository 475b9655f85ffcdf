"""What the API's tests stand on: a whole installation, on either kind of database."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.serving.site import Site, open_site


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Generator[Site]:
    """The same test runs on both kinds of database."""
    with open_site(database_url, tmp_path) as site:
        yield site


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path) -> Generator[Site]:
    """For what no database has a part in."""
    with open_site(sqlite_url, tmp_path) as site:
        yield site
