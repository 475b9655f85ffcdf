"""An installation without an engine, whose every place is real."""

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from modelyard.flows.context import FlowContext
from modelyard.flows.settings import FlowSettings
from modelyard.registry.cards.index import open_index
from modelyard.registry.installation import open_database, open_store
from modelyard.registry.mlflow.mirror import MlflowRegistry
from modelyard.registry.settings import RegistrySettings


@pytest.fixture(scope="package")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose databases and index have been made: MLflow takes seconds for its own."""
    folder = tmp_path_factory.mktemp("template")
    registry = RegistrySettings(data_dir=folder)
    open_database(registry).close()
    MlflowRegistry(registry.mlflow).aliases()
    open_index(registry).ids()
    return folder


@pytest.fixture
def context(template: Path, tmp_path: Path) -> Generator[FlowContext]:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    registry = RegistrySettings(data_dir=tmp_path)
    db = open_database(registry)
    yield FlowContext(FlowSettings(), registry, db, open_store(registry))
    db.close()
