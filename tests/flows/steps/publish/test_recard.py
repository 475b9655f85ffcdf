"""Cards follow the embedder: embedded when one appears or changes, and where a run was stopped."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.flows.steps.publish.embed import embed
from modelyard.flows.steps.publish.recard import Recarder
from modelyard.flows.steps.validate.onnx import validate_onnx
from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, Kind, ModelFacts, ModelVersion, StoredFile
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store
from tests.models.known_encoder import KnownEncoder

CARDS = {
    "ada/bard": "Composes a sonnet about anything.",
    "ada/helper": "Writes python functions for you.",
    "ada/keeper": "Knows each lighthouse by name.",
}


@pytest.fixture
def settings(tmp_path: Path) -> RegistrySettings:
    return RegistrySettings(data_dir=tmp_path / "data", qdrant_url="")


@pytest.fixture
def recarder(settings: RegistrySettings, catalog: Catalog, store: Store) -> Recarder:
    """Three finished versions with cards in the index, and no embedder yet."""
    made = Recarder(settings, catalog, store)
    for name, text in CARDS.items():
        enter(made, name, ModelFacts(Format.GGUF, "llama"), [store_text(store, text)])
    return made


def store_text(store: Store, text: str) -> StoredFile:
    kept = store.put([text.encode()])
    return StoredFile("README.md", kept.sha256, kept.size)


def enter(
    recarder: Recarder, name: str, facts: ModelFacts, files: list[StoredFile]
) -> ModelVersion:
    """A finished version whose card is found by words, as an ingest leaves it."""
    version = recarder.catalog.register(name, name, "c" * 40, facts, files, {}, pending=True)
    snapshot = HubSnapshot(name, "c" * 40, (), pipeline_tag="text-generation", tags=("kept",))
    embed(open_index(recarder.settings), recarder.store, version, snapshot)
    return recarder.catalog.finish(version.id, "1")


@pytest.fixture
def encoder(recarder: Recarder, tmp_path: Path) -> Callable[[str, int], ModelVersion]:
    """Register an embedding model; the seed makes it another one."""

    def make(name: str, seed: int) -> ModelVersion:
        words = [word for text in CARDS.values() for word in text.lower().strip(".").split()]
        path = KnownEncoder(words, seed).write(tmp_path / name)
        facts = validate_onnx(path, path.name)
        files = [path, path.with_name("config.json"), path.with_name("tokenizer.json")]
        stored = [(file.name, recarder.store.put(file)) for file in files]
        return enter(recarder, name, facts, [StoredFile(n, s.sha256, s.size) for n, s in stored])

    return make


def makers(recarder: Recarder) -> list[object]:
    ids = [version.id for version in recarder.catalog.list()]
    return [p.get("embedder") for p in open_index(recarder.settings).payloads(ids).values()]


def found_by_meaning(recarder: Recarder, text: str) -> list[str]:
    from modelyard.serving.engines.card_embedder import open_meaning

    setting = recarder.settings.card_embedder
    with open_meaning(recarder.catalog, recarder.store, setting) as meaning:
        assert not meaning.problem
        index = open_index(recarder.settings, meaning.embedder)
        return [hit.model for hit in index.search(text)]


def test_cards_are_found_by_meaning_once_there_is_an_embedder(
    recarder: Recarder, encoder: Callable[[str, int], ModelVersion]
) -> None:
    """Every query in other words than the card's: none is found by words, all by meaning."""
    queries = {"rhymes": "ada/bard", "software": "ada/helper", "ocean": "ada/keeper"}
    assert recarder.renew(lambda *_: None) == ""
    assert all(found_by_meaning(recarder, query) == [] for query in queries)
    version = encoder("ada/encoder", 0)
    heard = list[tuple[int, int]]()
    assert recarder.renew(lambda done, total: heard.append((done, total))) == ""
    assert heard == [(4, 4)]
    assert makers(recarder) == [version.id] * 4
    assert {query: found_by_meaning(recarder, query)[0] for query in queries} == queries
    payloads = open_index(recarder.settings).payloads([version.id])
    assert payloads[version.id]["tags"] == ["kept"], "what the Hub said of it is kept"
    assert recarder.renew(lambda *_: pytest.fail("nothing is left to do")) == ""


class Stopped(BaseException):
    """As Ctrl-C comes."""


def test_a_run_that_is_stopped_is_continued(
    recarder: Recarder, encoder: Callable[[str, int], ModelVersion]
) -> None:
    """What was embedded is not embedded again."""
    version = encoder("ada/encoder", 0)
    heard = list[int]()

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        replace(recarder, at_once=2).renew(stop)
    assert makers(recarder).count(version.id) == 2
    recarder.renew(lambda _, total: heard.append(total))
    assert heard == [2]
    assert makers(recarder) == [version.id] * 4


def test_another_embedder_embeds_all_anew(
    recarder: Recarder, encoder: Callable[[str, int], ModelVersion]
) -> None:
    """A promoted version, or another model that the setting names; empty wants none."""
    first = encoder("ada/encoder", 0)
    second = encoder("ada/other", 1)
    recarder.renew(lambda *_: None)
    assert set(makers(recarder)) == {first.id}
    named = recarder.settings.model_copy(update={"card_embedder": "ada/other"})
    moved = Recarder(named, recarder.catalog, recarder.store)
    moved.renew(lambda *_: None)
    assert set(makers(moved)) == {second.id}
    assert found_by_meaning(moved, "rhymes")[0] == "ada/bard"
    plain = recarder.settings.model_copy(update={"card_embedder": ""})
    assert Recarder(plain, recarder.catalog, recarder.store).stale(recarder.catalog.list()) == []


def test_an_embedder_that_cannot_be_had_is_told(
    recarder: Recarder, encoder: Callable[[str, int], ModelVersion]
) -> None:
    """No run fails of it: words still find."""
    unknown = recarder.settings.model_copy(update={"card_embedder": "ada/nobody"})
    problem = Recarder(unknown, recarder.catalog, recarder.store).renew(lambda *_: None)
    assert "ada/nobody" in problem
    writer = recarder.settings.model_copy(update={"card_embedder": "ada/bard"})
    problem = Recarder(writer, recarder.catalog, recarder.store).renew(lambda *_: None)
    assert "no embedding model" in problem
    facts = ModelFacts(Format.ONNX, "bert", details={"kind": Kind.EMBED.value})
    enter(recarder, "ada/broken", facts, [store_text(recarder.store, "no model at all")])
    assert recarder.renew(lambda *_: None) != ""
    assert set(makers(recarder)) == {None}
