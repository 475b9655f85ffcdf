"""What the tests of routing stand on: a whole installation, on the small kind of database."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.serving.site import Site, open_site


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Generator[Site]:
    with open_site(sqlite_url, tmp_path) as site:
        yield site
