"""An engine's settings follow the version and the machine; its memory is known before it loads."""

from pathlib import Path

import pytest

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, ModelVersion, StoredFile
from modelyard.serving.errors import ModelUnloadable
from modelyard.serving.worker.residency.launch import MOST_CONTEXT, Launch, memory_needed
from tests.models.tiny import Tiny
from tests.serving.worker.filled_catalog import FilledCatalog
from tests.serving.worker.residency_harness import MIB, TOKEN, open_harness


def launch(context_length: int) -> Launch:
    return Launch("127.0.0.1", TOKEN, context_length, 2, 1, 0, drain_s=1.0)


def register(catalog: Catalog, facts: ModelFacts, *files: StoredFile) -> ModelVersion:
    given = files or (StoredFile("f", "0" * 64, 100),)
    return catalog.register(
        name="a/one", repo="a/one", revision="0" * 40, facts=facts, files=given, metrics={}
    )


@pytest.mark.parametrize(
    ("own", "asked", "used"),
    [
        (2048, 0, 2048),
        (131_072, 0, MOST_CONTEXT),
        (131_072, 16_384, 16_384),
        (2048, 16_384, 2048),
        (None, 0, 0),
        (None, 4096, 4096),
    ],
)
def test_the_context_is_as_asked_and_never_longer_than_the_models(
    catalog_files: FilledCatalog, own: int | None, asked: int, used: int
) -> None:
    """Unset it is the model's own up to a bound; where the file is silent the engine decides."""
    version = register(catalog_files.catalog, ModelFacts(Format.GGUF, "llama", context_length=own))
    assert launch(asked).config(version, Path("/f")).context_length == used


async def test_a_gguf_takes_about_what_was_predicted(
    catalog_files: FilledCatalog, tmp_path: Path
) -> None:
    """Prediction and measurement of a real engine agree within a fifth."""
    shape = Tiny(width=512, layers=6, heads=8, kv_heads=8, inner=2048, context=4096)
    stored = catalog_files.store.put(shape.write(tmp_path / "tiny.gguf"))
    file = StoredFile("tiny.gguf", stored.sha256, stored.size)
    version = register(
        catalog_files.catalog, ModelFacts(Format.GGUF, "llama", context_length=4096), file
    )
    async with open_harness(catalog_files) as harness:
        resident = await harness.residency.ensure(version.id)
        assert resident.memory == pytest.approx(resident.need, rel=0.2)
        assert resident.need > stored.size + 50 * MIB


def test_a_broken_file_is_refused_before_a_process_is_started(
    catalog_files: FilledCatalog, tmp_path: Path
) -> None:
    """A header that makes no sense is the file's fault, not a crash's."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    version = register(catalog_files.catalog, ModelFacts(Format.GGUF, "llama"))
    with pytest.raises(ModelUnloadable, match=r"broken\.gguf"):
        memory_needed(launch(0).config(version, broken), version)
