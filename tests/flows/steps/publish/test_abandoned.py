"""What was begun and never finished leaves after a week, everywhere."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.flows.steps.publish.abandoned import PATIENCE, GivenUp
from modelyard.flows.steps.publish.embed import embed
from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, ModelVersion, StoredFile
from modelyard.registry.database import utc_now
from modelyard.registry.mlflow.mirror import MlflowRegistry
from modelyard.registry.settings import RegistrySettings
from modelyard.registry.store import Store

COMMIT = "c" * 40


@pytest.fixture
def given_up(tmp_path: Path, catalog: Catalog, store: Store) -> GivenUp:
    settings = RegistrySettings(data_dir=tmp_path)
    return GivenUp(settings, catalog, store, MlflowRegistry(settings.mlflow))


def _begin(given_up: GivenUp, model: str) -> ModelVersion:
    """As far as a registration comes whose last write fails."""
    kept = given_up.store.put([b"weights"])
    files = [StoredFile("m.gguf", kept.sha256, kept.size)]
    facts = ModelFacts(Format.GGUF, "llama")
    begun = given_up.catalog.register(model, model, COMMIT, facts, files, {}, pending=True)
    given_up.store.pin(kept.sha256, f"version:{begun.id}")
    embed(open_index(given_up.settings), given_up.store, begun, HubSnapshot(model, COMMIT, ()))
    given_up.mlflow.register(begun, {}, {}, {})
    return begun


def test_it_leaves_no_pin_no_card_and_nothing_in_mlflow(given_up: GivenUp) -> None:
    """Not before its time; and a file that another version has stays."""
    finished, begun = (_begin(given_up, model) for model in ("o/finished", "o/begun"))
    given_up.catalog.finish(finished.id, "1")
    client = MlflowClient(given_up.mlflow.uri, registry_uri=given_up.mlflow.uri)
    index = open_index(given_up.settings)
    assert given_up.clear(utc_now()) == []
    assert len(client.search_registered_models()) == 2
    assert given_up.clear(utc_now() + PATIENCE) == ["Given up: o/begun@1."]
    assert given_up.catalog.pending() == []
    assert [held.name for held in client.search_registered_models()] == ["o--finished"]
    assert index.stale([finished.id, begun.id], None) == {begun.id}
    sha256 = finished.main.sha256
    assert not given_up.store.remove(sha256), "pinned by the other"
    given_up.store.unpin(f"version:{finished.id}")
    assert given_up.store.remove(sha256)


def test_an_mlflow_that_is_away_keeps_nothing_here(given_up: GivenUp) -> None:
    """It is said, and the rest goes."""
    begun = _begin(given_up, "o/begun")
    away = GivenUp(
        given_up.settings, given_up.catalog, given_up.store, MlflowRegistry("http://127.0.0.1:9")
    )
    (said,) = away.clear(utc_now() + PATIENCE)
    assert "Connection refused" in said
    assert given_up.catalog.pending() == []
    assert not given_up.store.has(begun.main.sha256)
