"""What the commands' tests stand on: an installation in a folder, and the command itself."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.serving.cli.shell import Shell
from tests.serving.installation import Installation, open_installation


@pytest.fixture
def installation(sqlite_url: str, tmp_path: Path) -> Generator[Installation]:
    with open_installation(sqlite_url, tmp_path) as installation:
        yield installation


@pytest.fixture
def shell(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The command, in this process, over the site's own settings."""
    return Shell.over(installation, monkeypatch)
