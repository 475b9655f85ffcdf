"""The command of somebody who has a gateway's address and a key, and nothing here."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.serving.cli.every_command import commands
from tests.serving.cli.shell import Shell
from tests.serving.reached import ReachedGateway, reached_gateway


@pytest.fixture(scope="module")
def reached(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[ReachedGateway]:
    with reached_gateway(sqlite_template, tmp_path_factory.mktemp("requests")) as reached:
        yield reached


@pytest.fixture
def remote(reached: ReachedGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in ("MODELYARD_DATA_DIR", "MODELYARD_DATABASE_URL", "MODELYARD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MODELYARD_GATEWAY_URL", reached.url)
    monkeypatch.setenv("MODELYARD_API_KEY", reached.ada)
    return Shell.wide(commands(), monkeypatch)
