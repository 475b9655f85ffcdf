"""An installation without an engine, whose every place is real."""

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from modelyard.flows.context import FlowContext
from modelyard.flows.settings import FlowSettings
from modelyard.registry.installation import open_database, open_store
from modelyard.registry.settings import RegistrySettings


@pytest.fixture
def context(used_data_folder: Path, tmp_path: Path) -> Generator[FlowContext]:
    shutil.copytree(used_data_folder, tmp_path, dirs_exist_ok=True)
    registry = RegistrySettings(data_dir=tmp_path)
    db = open_database(registry)
    yield FlowContext(FlowSettings(), registry, db, open_store(registry))
    db.close()
