"""MLflow's aliases follow the catalog's, also where it was away while they moved."""

from collections.abc import Generator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, ModelVersion, StoredFile
from modelyard.registry.catalog.promotions import Promotions
from modelyard.registry.database import Database
from modelyard.registry.mlflow.aliases import MlflowAliases
from modelyard.registry.mlflow.mirror import MlflowRegistry, mlflow_name
from tests.servers.mlflow import MlflowServer, running_mlflow

pytestmark = pytest.mark.slow
MODEL = "o/m"


@pytest.fixture
def server(tmp_path: Path) -> Generator[MlflowServer]:
    with running_mlflow(tmp_path) as server:
        yield server


def _register(catalog: Catalog, mlflow: MlflowRegistry, build: int) -> ModelVersion:
    file = StoredFile("m.gguf", f"{build:064x}", 1)
    facts = ModelFacts(Format.GGUF, "llama")
    begun = catalog.register(MODEL, MODEL, "c" * 40, facts, [file], {}, pending=True)
    return catalog.finish(begun.id, mlflow.register(begun, {}, {}, {}))


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
