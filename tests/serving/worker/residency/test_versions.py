"""A registered version is laid out for its engine for as long as that lives."""

from pathlib import Path

import pytest

from tests.models.onnx_tiny import Bert
from tests.serving.worker.filled_catalog import FilledCatalog
from tests.serving.worker.residency_harness import open_harness


async def test_a_version_with_weights_of_their_own_is_served_from_the_store(
    catalog_files: FilledCatalog, tmp_path: Path
) -> None:
    """Names are back while the engine runs; with it the folder goes."""
    Bert().write(tmp_path, external=True)
    version = catalog_files.add_onnx("a/reader", tmp_path)
    async with open_harness(catalog_files) as harness:
        resident = await harness.residency.ensure(version.id)
        process = await resident.ready()
        assert resident.config.path.endswith("/model.onnx")
        body = {"input": "the model"}
        async with harness.session.post(f"{process.ready.url}/v1/embeddings", json=body) as answer:
            assert answer.status == 200
        assert resident.memory == pytest.approx(resident.need, rel=0.2)
    assert not list((catalog_files.store.root / "scratch").iterdir())
