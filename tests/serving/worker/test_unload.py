"""What an unloaded version took comes back, again and again."""

import gc
from pathlib import Path

import psutil

from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile
from tests.models.tiny import Tiny
from tests.serving.worker.filled_catalog import FilledCatalog
from tests.serving.worker.residency_harness import open_harness

CYCLES = 4


async def test_loading_and_unloading_leaves_nothing_behind(
    catalog_files: FilledCatalog, tmp_path: Path, full_length: int
) -> None:
    """No process stays, and the worker's memory is within a twentieth of that after the first."""
    stored = catalog_files.store.put(Tiny().write(tmp_path / "tiny.gguf"))
    version = catalog_files.catalog.register(
        name="a/one",
        repo="a/one",
        revision="0" * 40,
        facts=ModelFacts(Format.GGUF, "llama", context_length=512),
        files=[StoredFile("tiny.gguf", stored.sha256, stored.size)],
        metrics={},
    )
    sizes: list[int] = []
    async with open_harness(catalog_files) as harness:
        for _ in range(CYCLES if full_length == 1 else 100):
            await harness.residency.ensure(version.id)
            await harness.residency.unload(version.id)
            assert harness.engines() == []
            gc.collect()
            sizes.append(psutil.Process().memory_info().rss)
    assert sizes[-1] <= sizes[0] * 1.05
