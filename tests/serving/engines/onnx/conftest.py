"""Engine processes with a tiny BERT each: vectors, labels, spans, ranks."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.models.onnx_tiny import CLASSIFIER, MARKER, Bert
from tests.serving.engines.processes import StartedEngine, engine_process

EMBEDDER = Bert()
SORTER = Bert(CLASSIFIER, ("bad", "fair", "good"), seed=1)
MARKING = Bert(MARKER, ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), seed=2)
RANKER = Bert(CLASSIFIER, ("LABEL_0",), seed=3)


def _process(shape: Bert, folder: Path) -> Generator[StartedEngine]:
    path = str(shape.write(folder))
    with engine_process(format="onnx", path=path, context_length=0, threads=2) as running:
        yield running


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartedEngine]:
    yield from _process(EMBEDDER, tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="module")
def sorter(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartedEngine]:
    yield from _process(SORTER, tmp_path_factory.mktemp("sorter"))


@pytest.fixture(scope="module")
def marking(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartedEngine]:
    yield from _process(MARKING, tmp_path_factory.mktemp("marking"))


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartedEngine]:
    yield from _process(RANKER, tmp_path_factory.mktemp("ranker"))
