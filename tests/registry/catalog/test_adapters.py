"""Adapters belong to a model: named behind a plus, entered once, gone with it."""

import pytest

from modelyard.registry.catalog.adapters import AdapterCatalog
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, ModelRef, StoredFile
from modelyard.registry.database import Database
from modelyard.registry.errors import AlreadyExists, InvalidName, UnknownModel

FILE = StoredFile("here/pirate.gguf", "a" * 64, 3 * 10**9)


@pytest.fixture
def catalog(db: Database) -> Catalog:
    catalog = Catalog(db)
    for number in (1, 2):
        main = StoredFile("q.gguf", f"{number:064x}", 5)
        catalog.register("o/m", "o/m", "c" * 40, ModelFacts(Format.GGUF, "llama"), [main], {})
    return catalog


def test_an_adapter_goes_with_every_version(db: Database, catalog: Catalog) -> None:
    """`base+adapter`, with an alias or a number too; an unknown one is an unknown model."""
    added = AdapterCatalog(db).add("o/m", "pirate", FILE)
    assert (added.name, added.file) == ("pirate", FILE)
    for text, number in [("o/m+pirate", 1), ("o/m@candidate+pirate", 2), ("o/m@2+pirate", 2)]:
        version = catalog.find(ModelRef.parse(text))
        assert (version.number, version.adapter("pirate")) == (number, added)
    assert AdapterCatalog(db).of("o/m") == [added]
    with pytest.raises(UnknownModel, match=r"o/m\+parrot"):
        catalog.find(ModelRef.parse("o/m+parrot"))


def test_the_same_file_enters_once_and_another_never_takes_its_name(
    db: Database, catalog: Catalog
) -> None:
    """What a name means does not change under those who use it."""
    adapters = AdapterCatalog(db)
    first = adapters.add("o/m", "pirate", FILE)
    assert adapters.add("o/m", "pirate", FILE) == first
    with pytest.raises(AlreadyExists, match="pirate"):
        adapters.add("o/m", "pirate", StoredFile("x", "b" * 64, 1))
    adapters.remove(first)
    assert adapters.add("o/m", "pirate", StoredFile("x", "b" * 64, 1)).file.size == 1
    with pytest.raises(UnknownModel):
        adapters.add("o/nobody", "pirate", FILE)


def test_a_model_takes_its_adapters_with_it(db: Database, catalog: Catalog) -> None:
    """With its last version, not with the first."""
    adapters = AdapterCatalog(db)
    adapters.add("o/m", "pirate", FILE)
    catalog.remove(ModelRef("o/m", number=1))
    assert len(adapters.of("o/m")) == 1
    catalog.remove(ModelRef("o/m"))
    assert adapters.of("o/m") == []


@pytest.mark.parametrize(
    "text", ["o/m+", "+x", "o/m+a+b", "o/m+a/b", "o/m+.x", "o/m@+x", "o/m+a@1"]
)
def test_a_name_that_is_none_is_refused(text: str) -> None:
    """With the forms that there are."""
    with pytest.raises(InvalidName, match="adapter"):
        ModelRef.parse(text)


@pytest.mark.parametrize("text", ["m+a", "o/m+A.b-c_1", "o/m@champion+a", "o/m@12+a"])
def test_a_name_reads_as_it_is_written(text: str) -> None:
    """Taking apart and putting together are each other's opposite."""
    assert str(ModelRef.parse(text)) == text


def test_an_alias_has_no_plus(catalog: Catalog) -> None:
    """It would be taken for an adapter."""
    with pytest.raises(InvalidName):
        catalog.set_alias("o/m", "a+b", 1)
