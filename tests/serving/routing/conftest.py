"""What the tests of routing stand on: a whole installation, on the small kind of database."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.serving.installation import Installation, open_installation


@pytest.fixture
def installation(sqlite_url: str, tmp_path: Path) -> Generator[Installation]:
    with open_installation(sqlite_url, tmp_path) as installation:
        yield installation
