"""What an unloaded version took comes back, again and again."""

import gc
from pathlib import Path

import psutil

from registry.names import Format, ModelFacts, StoredFile
from tests.models.tiny import Tiny
from tests.serving.worker.shelf import Shelf
from tests.serving.worker.stage import open_stage

CYCLES = 4


async def test_loading_and_unloading_leaves_nothing_behind(
    shelf: Shelf, tmp_path: Path, full_length: int
) -> None:
    """No process stays, and the worker's memory is within a twentieth of that after the first."""
    stored = shelf.store.put(Tiny().write(tmp_path / "tiny.gguf"))
    version = shelf.catalog.register(
        name="a/one",
        repo="a/one",
        revision="0" * 40,
        facts=ModelFacts(Format.GGUF, "llama", context_length=512),
        files=[StoredFile("tiny.gguf", stored.sha256, stored.size)],
        metrics={},
    )
    sizes: list[int] = []
    async with open_stage(shelf) as stage:
        for _ in range(CYCLES if full_length == 1 else 100):
            await stage.residency.ensure(version.id)
            await stage.residency.unload(version.id)
            assert stage.engines() == []
            gc.collect()
            sizes.append(psutil.Process().memory_info().rss)
    assert sizes[-1] <= sizes[0] * 1.05
