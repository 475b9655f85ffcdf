"""The draft model that the operator named helps those models that have its vocabulary."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from modelyard.registry.catalog.model import Format, ModelFacts, ModelVersion, StoredFile
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.worker.residency.draft_model import with_draft
from modelyard.serving.worker.residency.launch import memory_needed
from tests.models.tiny import Tiny
from tests.serving.worker.filled_catalog import FilledCatalog


def _add(catalog_files: FilledCatalog, folder: Path, name: str, model: Tiny) -> ModelVersion:
    stored = catalog_files.store.put(model.write(folder / name.replace("/", "-")))
    files = [StoredFile("model.gguf", stored.sha256, stored.size)]
    facts = ModelFacts(Format.GGUF, "llama")
    return catalog_files.catalog.register(
        name=name, repo=name, revision="0" * 40, facts=facts, files=files, metrics={}
    )


def _drafted(catalog_files: FilledCatalog, version: ModelVersion, name: str) -> EngineConfig:
    with ExitStack() as held:
        path = held.enter_context(catalog_files.versions.hold(version))
        config = EngineConfig(
            version_id=version.id, model_name=version.ref, format=version.facts.format,
            path=str(path), internal_token="t" * 32,
        )  # fmt: skip
        return with_draft(config, version, name, catalog_files.versions, held=held)


def test_a_model_of_the_same_vocabulary_gets_the_draft(
    catalog_files: FilledCatalog, tmp_path: Path
) -> None:
    """Its file goes to the engine, and its memory is counted; nobody drafts for themselves."""
    small = _add(catalog_files, tmp_path, "a/small", Tiny(layers=1))
    large = _add(catalog_files, tmp_path, "a/large", Tiny(layers=4))
    other = _add(catalog_files, tmp_path, "a/other", Tiny(vocabulary=512))
    with catalog_files.versions.hold(small) as path:
        found = _drafted(catalog_files, large, "a/small")
        assert found.draft_path == str(path)
    alone = found.model_copy(update={"draft_path": ""})
    assert memory_needed(found, large).total > memory_needed(alone, large).total + small.size
    assert _drafted(catalog_files, other, "a/small").draft_path == ""
    assert _drafted(catalog_files, small, "a/small").draft_path == ""
    assert _drafted(catalog_files, large, "").draft_path == ""


def test_a_draft_that_nobody_registered_is_said_and_done_without(
    catalog_files: FilledCatalog, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A misspelt name costs speed and not the service, and the log names the setting."""
    large = _add(catalog_files, tmp_path, "a/large", Tiny())
    assert _drafted(catalog_files, large, "a/smal").draft_path == ""
    said = capfd.readouterr()
    assert "draft_model_missing" in said.out + said.err
    assert "MODELYARD_DRAFT_MODEL" in said.out + said.err
