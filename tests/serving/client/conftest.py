"""A gateway that clients reach, and one of them."""

from collections.abc import Generator
from pathlib import Path

import pytest

from modelyard.serving.client import Modelyard
from tests.serving.reached import ReachedGateway, reached_gateway


@pytest.fixture(scope="module")
def reached(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[ReachedGateway]:
    with reached_gateway(sqlite_template, tmp_path_factory.mktemp("requests")) as reached:
        yield reached


@pytest.fixture
def client(reached: ReachedGateway) -> Generator[Modelyard]:
    with Modelyard(reached.url, reached.ada) as client:
        yield client
