"""The model that makes cards' vectors is the first one's champion, or the one that is named."""

from collections.abc import Generator

import pytest

from modelyard.registry.cards.embedder import AUTO, chosen_embedder
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import (
    Format,
    Kind,
    ModelFacts,
    ModelVersion,
    StoredFile,
    Visibility,
)
from modelyard.registry.database import Database
from modelyard.registry.errors import SettingsInvalid, UnknownModel


@pytest.fixture
def catalog(sqlite_url: str) -> Generator[Catalog]:
    database = Database.connect(sqlite_url)
    yield Catalog(database)
    database.close()


def add(
    catalog: Catalog,
    name: str,
    kind: Kind = Kind.EMBED,
    build: str = "0",
    visibility: Visibility = Visibility.PUBLIC,
    *,
    finished: bool = True,
) -> ModelVersion:
    facts = ModelFacts(Format.ONNX, "bert", details={"kind": kind.value})
    file = StoredFile("model.onnx", build * 64, 1)
    return catalog.register(
        name, name, "c" * 40, facts, [file], {}, visibility, "1", pending=not finished
    )


def test_by_itself_it_is_the_champion_of_the_first_model(catalog: Catalog) -> None:
    """Not one that writes, is private or unfinished; a promotion moves it on."""
    assert chosen_embedder(catalog, AUTO) is None
    add(catalog, "ada/writer", Kind.GENERATE)
    add(catalog, "ada/secret", visibility=Visibility.PRIVATE)
    add(catalog, "ada/half", finished=False)
    assert chosen_embedder(catalog, AUTO) is None
    first = add(catalog, "ada/z-first")
    add(catalog, "ada/a-later")
    assert chosen_embedder(catalog, AUTO) == first
    second = add(catalog, "ada/z-first", build="1")
    assert chosen_embedder(catalog, AUTO) == first
    catalog.set_alias("ada/z-first", "champion", second.number)
    chosen = chosen_embedder(catalog, AUTO)
    assert chosen is not None
    assert chosen.id == second.id


def test_the_setting_names_one_or_none(catalog: Catalog) -> None:
    """A private one too, as whoever sets it may; what is no embedding model is refused."""
    secret = add(catalog, "ada/secret", visibility=Visibility.PRIVATE)
    add(catalog, "ada/writer", Kind.GENERATE)
    assert chosen_embedder(catalog, "ada/secret@1") == secret
    assert chosen_embedder(catalog, "") is None
    with pytest.raises(UnknownModel):
        chosen_embedder(catalog, "ada/nobody")
    with pytest.raises(SettingsInvalid, match="no embedding model"):
        chosen_embedder(catalog, "ada/writer")
