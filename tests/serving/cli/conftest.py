"""What the commands' tests stand on: an installation in a folder, and the command itself."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.serving.cli.shell import Shell
from tests.serving.site import Site, open_site


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Generator[Site]:
    with open_site(sqlite_url, tmp_path) as site:
        yield site


@pytest.fixture
def shell(site: Site, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The command, in this process, over the site's own settings."""
    return Shell.over(site, monkeypatch)
