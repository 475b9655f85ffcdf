"""Aliases of catalog and MLflow follow one another, also where one was away while they moved."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import pytest
from mlflow.tracking import MlflowClient

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, ModelVersion, StoredFile
from modelyard.registry.catalog.promotions import Promotions
from modelyard.registry.database import Database
from modelyard.registry.mlflow.aliases import MlflowAliases
from modelyard.registry.mlflow.drift import DriftKind
from modelyard.registry.mlflow.mirror import MlflowRegistry, mlflow_name
from tests.servers.mlflow import MlflowServer, running_mlflow

pytestmark = pytest.mark.slow
MODEL = "o/m"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[MlflowServer]:
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def server(running: MlflowServer) -> Iterator[MlflowServer]:
    """Running, and without the models of other tests."""
    yield running
    if not running.answers():
        running.start()
    client = MlflowClient(running.url, registry_uri=running.url)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


def _register(catalog: Catalog, mlflow: MlflowRegistry, build: int) -> ModelVersion:
    file = StoredFile("m.gguf", f"{build:064x}", 1)
    facts = ModelFacts(Format.GGUF, "llama")
    begun = catalog.register(MODEL, MODEL, "c" * 40, facts, [file], {}, pending=True)
    return catalog.finish(begun.id, mlflow.register(begun, {}, {}, {}))


@dataclass(frozen=True, slots=True)
class Both:
    """A catalog and an MLflow with three versions, of which the first is champion in both."""

    catalog: Catalog
    aliases: MlflowAliases
    client: MlflowClient
    versions: list[ModelVersion]

    def move_there(self, alias: str, version: ModelVersion) -> None:
        number = str(version.mlflow_version)
        self.client.set_registered_model_alias(mlflow_name(MODEL), alias, number)

    @property
    def moves(self) -> list[tuple[str, DriftKind, str]]:
        return [(d.alias, d.kind, d.ref) for d in self.aliases.drift()]

    @property
    def champion_there(self) -> str:
        held = self.client.get_model_version_by_alias(mlflow_name(MODEL), "champion")
        return str(held.version)


@pytest.fixture
def both(sqlite_url: str, server: MlflowServer) -> Generator[Both]:
    db = Database.connect(sqlite_url)
    catalog = Catalog(db)
    mlflow = MlflowRegistry(server.url)
    versions = [_register(catalog, mlflow, build) for build in (1, 2, 3)]
    both = Both(catalog, MlflowAliases(db, mlflow), MlflowClient(server.url, server.url), versions)
    assert both.aliases.tell() == ""
    assert both.aliases.drift() == []
    yield both
    db.close()


def test_what_moved_in_mlflow_is_to_be_followed(both: Both) -> None:
    """A champion, and an alias that is new; once the catalog has followed, they agree."""
    second = both.versions[1]
    both.move_there("champion", second)
    both.move_there("stable", second)
    follow = [(alias, DriftKind.FOLLOW, f"{MODEL}@2") for alias in ("champion", "stable")]
    assert both.moves == follow
    for alias in ("champion", "stable"):
        both.catalog.set_alias(MODEL, alias, second.number)
    assert both.aliases.tell() == ""
    assert both.moves == []
    assert both.champion_there == second.mlflow_version


def test_what_both_moved_is_a_conflict_and_neither_is_lost(both: Both) -> None:
    """It is said, nothing is overwritten, and a promotion to what MLflow means settles it."""
    _, second, third = both.versions
    both.move_there("champion", second)
    both.catalog.set_alias(MODEL, "champion", third.number)
    assert "was moved here and in MLflow, there to o/m@2" in both.aliases.tell(MODEL)
    assert both.champion_there == second.mlflow_version
    assert ("champion", DriftKind.CONFLICT, f"{MODEL}@2") in both.moves
    both.catalog.set_alias(MODEL, "champion", second.number)
    assert both.aliases.tell(MODEL) == ""
    assert "champion" not in {alias for alias, _, _ in both.moves}


def test_an_alias_on_a_version_of_somebody_else_is_shown(both: Both) -> None:
    """The catalog cannot follow to what it does not have, and leaves the alias there alone."""
    there = both.client.create_model_version(mlflow_name(MODEL), "s3://elsewhere/model")
    both.client.set_registered_model_alias(mlflow_name(MODEL), "champion", str(there.version))
    ((alias, move, _),) = both.moves
    assert (alias, move) == ("champion", DriftKind.UNKNOWN)
    assert both.aliases.tell() == ""
    assert both.champion_there == str(there.version)


def test_an_alias_deleted_in_mlflow_is_set_again(both: Both) -> None:
    """A model always has a champion, and the candidate that became it stays none."""
    both.client.delete_registered_model_alias(mlflow_name(MODEL), "champion")
    (drift,) = both.aliases.drift()
    assert drift.kind is DriftKind.TELL
    both.aliases.send(drift)
    assert both.champion_there == both.versions[0].mlflow_version
    both.move_there("champion", both.versions[2])  # which is the candidate
    both.catalog.set_alias(MODEL, "champion", both.versions[2].number)
    assert [alias for alias, _, _ in both.moves] == ["champion"]
    assert both.aliases.tell() == ""
    assert both.client.get_registered_model(mlflow_name(MODEL)).aliases.keys() == {"champion"}


def test_what_mlflow_missed_it_hears_later(sqlite_url: str, server: MlflowServer) -> None:
    """A promotion while it is away says so, and is told once it is back; then there is nothing."""
    db = Database.connect(sqlite_url)
    catalog = Catalog(db)
    mlflow = MlflowRegistry(server.url)
    aliases = MlflowAliases(db, mlflow)
    client = MlflowClient(server.url, registry_uri=server.url)

    def there() -> dict[str, str]:
        held = client.get_registered_model(mlflow_name(MODEL)).aliases
        return {alias: str(number) for alias, number in held.items()}

    first, second = (_register(catalog, mlflow, build) for build in (1, 2))
    assert there() == {}
    assert (aliases.tell("o/other"), there()) == ("", {})
    assert aliases.tell() == ""
    assert there() == {"champion": first.mlflow_version, "candidate": second.mlflow_version}
    server.kill()
    catalog.set_alias(MODEL, "champion", second.number)
    promoted = Promotions(db).around([second.id])
    assert "yet to hear of o/m@champion" in aliases.tell(MODEL)
    server.start()
    assert aliases.tell(MODEL) == ""
    assert there() == {"champion": second.mlflow_version}
    assert Promotions(db).around([second.id]) == promoted, "when it was promoted stays"
    server.kill()
    assert aliases.tell() == "", "told once, it is not told again"
    db.close()


def test_what_mlflow_never_had_it_need_not_hear(sqlite_url: str) -> None:
    """A version without a number there keeps its aliases to itself."""
    db = Database.connect(sqlite_url)
    file = StoredFile("m.mock", "a" * 64, 1)
    Catalog(db).register(MODEL, MODEL, "c" * 40, ModelFacts(Format.MOCK, "mock"), [file], {})
    assert MlflowAliases(db, MlflowRegistry("http://127.0.0.1:9")).tell() == ""
    db.close()
