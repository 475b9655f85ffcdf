"""MLflow holds every version once, with its whole lineage, and not a byte of its files."""

import json
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.tracking import MlflowClient

from registry.database import utc_now
from registry.mlflow_registry import MlflowRegistry, mlflow_name
from registry.names import Format, ModelFacts, ModelVersion, StoredFile, Visibility
from tests.servers.postgres import Postgres


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def mlflow(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> MlflowRegistry:
    """MLflow as a library on either database, one for all tests: its tables take seconds."""
    if request.param == "sqlite":
        return MlflowRegistry(f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}")
    postgres = request.getfixturevalue("postgres")
    assert isinstance(postgres, Postgres)
    return MlflowRegistry(postgres.create("mlflow"))


@pytest.fixture
def client(mlflow: MlflowRegistry) -> MlflowClient:
    return MlflowClient(mlflow.uri, registry_uri=mlflow.uri)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow likes to leave folders where it runs; see the first test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def version() -> ModelVersion:
    """A version no other test knows."""
    return ModelVersion(
        id=secrets.token_hex(8),
        model=f"owner/{secrets.token_hex(8)}",
        number=1,
        repo="owner/name",
        revision="c" * 40,
        facts=ModelFacts(Format.GGUF, "llama", "Q4_K_M", licence="mit"),
        files=(
            StoredFile("q4.gguf", secrets.token_hex(32), 10**12),
            StoredFile("sub dir/LICENSE (1)", "f" * 64, 5),
        ),
        metrics={"kl": 0.01},
        aliases=("champion",),
        visibility=Visibility.PUBLIC,
        owner_id=None,
        created_at=utc_now(),
    )


def _read(client: MlflowClient, version: ModelVersion, number: str) -> tuple[MlflowVersion, Run]:
    held = client.get_model_version(mlflow_name(version.model), number)
    assert held.run_id
    return held, client.get_run(held.run_id)


def test_a_version_is_recorded_with_its_lineage(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """Repo, commit, every file's hash, parameters, metrics, alias; a pointer, no copy."""
    metrics = {"tokens_per_s": 12.5}
    number = mlflow.register(version, {"source": "s" * 64}, {"type": "Q4_K_M"}, metrics)
    held, run = _read(client, version, number)
    assert held.source == f"modelyard://{version.main.sha256}"
    assert held.tags["modelyard.repo"] == "owner/name"
    assert held.tags["modelyard.revision"] == "c" * 40
    assert held.tags["modelyard.lineage.source"] == "s" * 64
    files = {file.path: file.sha256 for file in version.files}
    assert json.loads(held.tags["modelyard.files"]) == files
    assert run.data.params == {"type": "Q4_K_M"}
    assert run.data.metrics == {"kl": 0.01, "tokens_per_s": 12.5}
    assert run.info.status == "FINISHED"
    found = client.get_model_version_by_alias(mlflow_name(version.model), "champion")
    assert str(found.version) == number
    assert list(Path.cwd().iterdir()) == []


def test_the_same_build_is_recorded_once(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """The second time returns the first number and adds no run."""
    first = mlflow.register(version, {}, {}, {})
    assert mlflow.register(version, {}, {}, {}) == first
    same = f"tags.`modelyard.model`='{version.model}'"
    (experiment,) = client.search_experiments(filter_string="name='modelyard'")
    assert len(client.search_runs([experiment.experiment_id], same)) == 1


def test_a_registration_cut_half_way_is_finished(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """Where only the run was made, the next try uses it."""
    number = mlflow.register(version, {}, {"a": 1}, {"b": 1.0})
    _, run = _read(client, version, number)
    client.delete_model_version(mlflow_name(version.model), number)
    again = mlflow.register(version, {}, {"a": 2, "c": 3}, {"b": 1.0})
    _, finished = _read(client, version, again)
    assert finished.info.run_id == run.info.run_id
    assert finished.data.params == {"a": "1", "c": "3"}


def test_promotion_ends_candidacy(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """The aliases there follow the same rule as the catalog's."""
    mlflow.register(version, {}, {}, {})
    newer = (replace(version.main, sha256=secrets.token_hex(32)),)
    second = replace(version, id="2", number=2, files=newer, aliases=("candidate",))
    number = mlflow.register(second, {}, {}, {})
    mlflow.set_alias(version.model, "champion", number)
    aliases = client.get_registered_model(mlflow_name(version.model)).aliases
    assert {alias: str(held) for alias, held in aliases.items()} == {"champion": number}


def test_deleting_is_idempotent(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """The last version takes the model along; what is gone is no error."""
    number = mlflow.register(version, {}, {}, {})
    for _ in range(2):
        mlflow.delete(version.model, number)
    mlflow.delete(version.model)
    name = mlflow_name(version.model)
    assert not client.search_registered_models(f"name='{name}'")


def test_a_long_value_is_cut_rather_than_refused(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """A chat template as a parameter does not fail a registration, nor do very many files."""
    many = tuple(StoredFile(f"{n}.bin", f"{n:064x}", 1) for n in range(500))
    version = replace(version, files=(*version.files, *many))
    number = mlflow.register(version, {"card": "x" * 200_000}, {"template": "y" * 9000}, {})
    held, run = _read(client, version, number)
    assert len(json.loads(held.tags["modelyard.files"])) == 502
    assert len(held.tags["modelyard.lineage.card"]) == 100_000
    assert len(run.data.params["template"]) == 6000


_FIRST_USE = """
import sys
from registry.mlflow_turn import alone_at
from mlflow.tracking import MlflowClient
uri = sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
with alone_at(uri):
    client = MlflowClient(uri, registry_uri=uri)
    client.search_model_versions("name='a'")
    client.create_experiment(sys.argv[2])
"""


@pytest.mark.slow
def test_two_may_make_the_tables_at_once(postgres: Postgres) -> None:
    """The first use of an empty PostgreSQL by two processes: the second waits, and both work."""
    uri = postgres.create("mlflow_first_use")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _FIRST_USE, uri, name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    ends = [child.communicate(timeout=240)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], ends
    names = {e.name for e in MlflowClient(uri, registry_uri=uri).search_experiments()}
    assert {"one", "two"} <= names
