"""MLflow holds every version once, with its whole lineage, and not a byte of its files."""

import json
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.tracking import MlflowClient

from modelyard.registry.catalog.model import (
    Format,
    ModelFacts,
    ModelVersion,
    StoredFile,
    Visibility,
)
from modelyard.registry.database import utc_now
from modelyard.registry.errors import MlflowUnavailable
from modelyard.registry.mlflow.mirror import MlflowRegistry, mlflow_name
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.cli.checks.finding import Level
from modelyard.serving.cli.checks.servers import mlflow as doctor_of_mlflow
from tests.servers.mlflow import running_mlflow
from tests.servers.postgres import Postgres


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "server"])
def mlflow(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[MlflowRegistry]:
    """A server, or MLflow as a library on either database; one for all: its tables take seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    if request.param == "server":
        with running_mlflow(folder) as server:
            yield MlflowRegistry(server.url)
    elif request.param == "sqlite":
        yield MlflowRegistry(f"sqlite:///{folder / 'mlflow.db'}")
    else:
        postgres = request.getfixturevalue("postgres")
        assert isinstance(postgres, Postgres)
        yield MlflowRegistry(postgres.create("mlflow_mirror"))


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
    mlflow: MlflowRegistry,
    client: MlflowClient,
    version: ModelVersion,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Repo, commit, every file's hash, parameters, metrics; a pointer, no copy, and no alias yet.

    Nothing is said on standard output, where a command's JSON goes.
    """
    metrics = {"tokens_per_s": 12.5}
    number = mlflow.register(version, {"source": "s" * 64}, {"type": "Q4_K_M"}, metrics)
    held, run = _read(client, version, number)
    assert held.source == f"modelyard:///{version.main.sha256}"
    assert held.tags["modelyard.repo"] == "owner/name"
    assert held.tags["modelyard.revision"] == "c" * 40
    assert held.tags["modelyard.lineage.source"] == "s" * 64
    files = {file.path: file.sha256 for file in version.files}
    assert json.loads(held.tags["modelyard.files"]) == files
    assert run.data.params == {"type": "Q4_K_M"}
    assert run.data.metrics == {"kl": 0.01, "tokens_per_s": 12.5}
    assert run.info.status == "FINISHED"
    assert client.get_registered_model(mlflow_name(version.model)).aliases == {}
    mlflow.set_alias(version.model, "champion", number)
    found = client.get_model_version_by_alias(mlflow_name(version.model), "champion")
    assert str(found.version) == number
    assert list(Path.cwd().iterdir()) == []
    assert capsys.readouterr().out == ""


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
    mlflow.set_alias(version.model, "champion", mlflow.register(version, {}, {}, {}))
    newer = (replace(version.main, sha256=secrets.token_hex(32)),)
    number = mlflow.register(replace(version, id="2", number=2, files=newer), {}, {}, {})
    mlflow.set_alias(version.model, "candidate", number)
    mlflow.set_alias(version.model, "champion", number)
    aliases = client.get_registered_model(mlflow_name(version.model)).aliases
    assert {alias: str(held) for alias, held in aliases.items()} == {"champion": number}


def test_aliases_are_read_as_mlflow_gives_them(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """Of a library's database without the library; those of deleted models are gone."""
    number = mlflow.register(version, {}, {}, {})
    for alias in ("champion", "Shadow"):
        client.set_registered_model_alias(mlflow_name(version.model), alias, number)
    there = {
        model.name: {alias: str(held) for alias, held in model.aliases.items()}
        for model in client.search_registered_models(max_results=1000)
        if model.aliases
    }
    read = {name: aliases for name, aliases in mlflow.aliases().items() if aliases}
    assert read == there
    assert len(read[mlflow_name(version.model)]) == 2
    mlflow.forget(version)
    assert mlflow_name(version.model) not in mlflow.aliases()


def test_forgetting_is_idempotent(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """A build goes, and the model with the last one; what is gone is no error."""
    other = replace(version, files=(replace(version.main, sha256=secrets.token_hex(32)),))
    mlflow.register(version, {}, {}, {})
    kept = mlflow.register(other, {}, {}, {})
    name = mlflow_name(version.model)
    for _ in range(2):
        mlflow.forget(version)
        held = client.search_model_versions(f"name='{name}'")
        assert [str(one.version) for one in held] == [kept]
    for _ in range(2):
        mlflow.forget(other)
    assert not client.search_registered_models(f"name='{name}'")


def test_a_build_that_is_there_twice_has_its_first_number(
    mlflow: MlflowRegistry, client: MlflowClient, version: ModelVersion
) -> None:
    """A request whose answer was lost may have been sent again; forgotten is every one."""
    number = mlflow.register(version, {}, {}, {})
    name = mlflow_name(version.model)
    held = client.get_model_version(name, number)
    again = client.create_model_version(name, "modelyard:///x", held.run_id, tags=held.tags)
    assert str(again.version) != number
    assert mlflow.register(version, {}, {}, {}) == number
    mlflow.forget(version)
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


@pytest.fixture
def places() -> Generator[dict[str, str]]:
    """Addresses: of a socket where nobody ever answers, and of a server that never means it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        silent, refusing = (f"127.0.0.1:{port}" for port in _ports(listener, server.socket))
        yield {"silent": silent, "refusing": refusing}
        server.shutdown()
        thread.join()


def _ports(*listeners: socket.socket) -> list[int]:
    return [listener.getsockname()[1] for listener in listeners]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://ada:s3cret@127.0.0.1:9", "Connection refused"),
        ("http://ada:s3cret@{silent}", "timed out"),
        ("postgresql+psycopg://ada:s3cret@127.0.0.1:9/mlflow", "Connection refused"),
        ("http://ada:s3cret@{refusing}/401", "does not let us in.*MLFLOW_TRACKING_PASSWORD"),
        ("http://ada:s3cret@{refusing}/500", "500"),
        ("http://ada:s3cret@{refusing}/200", "JSON"),
    ],
)
def test_what_goes_wrong_with_mlflow_is_an_error_of_ours(
    version: ModelVersion,
    places: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    says: str,
) -> None:
    """Away, silent, shut, broken or something else: one line, what to do, no password, soon."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    mlflow = MlflowRegistry(address.format(**places))
    for ask in (
        lambda: mlflow.register(version, {}, {}, {}),
        lambda: mlflow.set_alias(version.model, "champion", "1"),
        lambda: mlflow.forget(version),
        mlflow.aliases,
    ):
        with pytest.raises(MlflowUnavailable, match=says) as raised:
            ask()
        assert "s3cret" not in str(raised.value)
        assert "\n" not in raised.value.message
        assert raised.value.fix


class _Refusing(BaseHTTPRequestHandler):
    """Answers with the status that the path begins with."""

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(int(self.path[1:4]))
        self.end_headers()
        self.wfile.write(b"not for you")

    do_GET = do_POST = do_DELETE = _refuse  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        """Say nothing."""


_FIRST_USE = """
import sys
from modelyard.registry.mlflow.lock import alone_at
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


def test_doctor_writes_to_it_and_leaves_it_as_it_was(
    mlflow: MlflowRegistry, client: MlflowClient
) -> None:
    """Whether it is a server or a library: that it can be asked does not say that it takes."""
    before = {model.name for model in client.search_registered_models(max_results=1000)}
    found = doctor_of_mlflow(RegistrySettings(mlflow_uri=mlflow.uri))
    assert (found.level, found.found[-14:]) == (Level.OK, "can be written")
    after = {model.name for model in client.search_registered_models(max_results=1000)}
    assert after == before


_SILENT_USE = """
import sys
from modelyard.registry.mlflow.mirror import MlflowRegistry
assert MlflowRegistry(sys.argv[1]).aliases() == {}  # makes no tables
assert MlflowRegistry(sys.argv[1]).recorded() == []
from mlflow.tracking import MlflowClient
places = {e.artifact_location for e in MlflowClient(sys.argv[1]).search_experiments()}
assert all("/home/of/mlflow/" in place for place in places), places
"""


def test_the_first_use_says_nothing_and_notes_no_working_directory(tmp_path: Path) -> None:
    """MLflow would log its set-up, and keep artifacts where the first command was typed."""
    here = tmp_path / "here"
    here.mkdir()
    uri = f"sqlite:///{tmp_path}/home/of/mlflow/mlflow.db"
    (tmp_path / "home" / "of" / "mlflow").mkdir(parents=True)
    argv = [sys.executable, "-W", "ignore", "-P", "-c", _SILENT_USE, uri]
    ended = subprocess.run(argv, cwd=here, capture_output=True, text=True, timeout=200, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert list(here.iterdir()) == []
