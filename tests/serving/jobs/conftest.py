"""What the tests of jobs stand on: a whole installation, on either kind of database."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.serving.installation import Installation, open_installation


@pytest.fixture
def installation(database_url: str, tmp_path: Path) -> Generator[Installation]:
    """The same test runs on both kinds of database."""
    with open_installation(database_url, tmp_path) as installation:
        yield installation


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path) -> Generator[Installation]:
    """For what no database has a part in."""
    with open_installation(sqlite_url, tmp_path) as installation:
        yield installation
