"""`modelyard doctor` and `modelyard config`."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import inspect

from modelyard.registry.cards.index import CARDS
from modelyard.registry.cards.shard import ShardPoints
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.cli.checks.stores import database
from modelyard.serving.cli.doctor import NAMES
from tests.serving.cli.shell import Shell
from tests.serving.installation import Installation


def _found(shell: Shell, *checks: str) -> dict[str, dict[str, str]]:
    findings = shell.run("doctor", *checks, "--json").json()
    return {finding["check"]: finding for finding in findings}


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of the machine's own is asked; the Hub's place is where nothing listens."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.setenv("MODELYARD_PORT", "0")


def test_an_embedded_installation_is_well(shell: Shell, installation: Installation) -> None:
    """Nothing fails; a Hub that is away is only a warning."""
    found = _found(shell)
    assert {name for name, f in found.items() if f["level"] == "fail"} == set()
    assert found["Database"]["level"] == "ok"
    assert found["Hub"]["level"] == "warn"
    assert "wrote one" in found["One token"]["found"]
    assert tuple(found) == NAMES
    people = shell.run("doctor", "database", "Hub")
    assert people.code == 0
    assert "can be written" in people.said
    assert "Python" not in people.said
    assert shell.run("doctor", "Databse").code == 2


def test_a_database_that_takes_no_writes_fails(shell: Shell, installation: Installation) -> None:
    """It answers questions all the same."""
    installation.database.close()
    file = installation.settings.data_dir / "modelyard.db"
    read_only = f"sqlite:///file:{file}?mode=ro&uri=true"
    ended = database(RegistrySettings(database_url=read_only))
    assert ended.level == "fail"
    assert "readonly" in ended.found
    assert "modelyard_doctor" not in inspect(installation.database.engine).get_table_names()


def test_an_embedded_index_is_written_to_and_left_as_it_was(
    shell: Shell, installation: Installation
) -> None:
    """A new installation has neither the index nor MLflow's tables, and gets none by this."""
    data = installation.settings.data_dir
    before = _found(shell, "MLflow", "Qdrant")
    assert ["will be made" in before[name]["found"] for name in before] == [True, True]
    assert not (data / "mlflow.db").exists()
    assert not (data / CARDS).exists()
    assert ShardPoints(data / CARDS).ids() == set()
    assert "can be written" in _found(shell, "Qdrant")["Qdrant"]["found"]
    assert ShardPoints(data / CARDS).ids() == set()


def test_embedded_stores_that_are_damaged_fail_with_what_to_do(
    shell: Shell, installation: Installation
) -> None:
    """Their files are there, so that a look alone would call them well."""
    data = installation.settings.data_dir
    (data / "mlflow.db").write_bytes(b"no database" * 100)
    (data / CARDS).mkdir()
    found = _found(shell, "MLflow", "Qdrant")
    for name, place in (("MLflow", "mlflow.db"), ("Qdrant", CARDS)):
        assert found[name]["level"] == "fail", found
        assert place in found[name]["found"]
        assert found[name]["fix"]


class Guarded(BaseHTTPRequestHandler):
    """Any server: it is healthy, and lets nobody write."""

    status = 401

    def do_GET(self) -> None:
        self._answer(200)

    def do_PUT(self) -> None:
        self._answer(self.status)

    def do_POST(self) -> None:
        self._answer(self.status)

    def do_DELETE(self) -> None:
        self._answer(self.status)

    def _answer(self, status: int) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.mark.parametrize(
    ("variable", "path", "check", "to_set"),
    [
        ("MODELYARD_QDRANT_URL", "", "Qdrant", "MODELYARD_QDRANT_API_KEY"),
        ("PREFECT_API_URL", "/api", "Prefect", "PREFECT_API_AUTH_STRING"),
    ],
)
def test_a_server_that_lets_us_not_write_fails(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    path: str,
    check: str,
    to_set: str,
) -> None:
    """Its health is no proof; the finding names the setting of the login."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv(variable, f"http://127.0.0.1:{server.server_port}{path}")
        finding = _found(shell, check)[check]
        server.shutdown()
        thread.join()
    assert finding["level"] == "fail"
    assert "let us in" in finding["found"]
    assert to_set in finding["fix"]


@pytest.mark.parametrize(
    ("variable", "value", "check"),
    [
        ("MODELYARD_DATABASE_URL", "postgresql+psycopg://me:secret@127.0.0.1:9/db", "Database"),
        ("MODELYARD_QDRANT_URL", "http://127.0.0.1:9", "Qdrant"),
        ("MODELYARD_REDIS_URL", "redis://:secret@127.0.0.1:9", "Redis"),
        ("MODELYARD_MLFLOW_URI", "http://127.0.0.1:9", "MLflow"),
        ("PREFECT_API_URL", "http://127.0.0.1:9/api", "Prefect"),
        ("MODELYARD_DATA_DIR", f"{__file__}/below-a-file", "Data folder"),
    ],
)
def test_a_server_that_is_away_fails_with_what_to_do(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, check: str
) -> None:
    """Exit code 1; the line names the setting to correct and no password."""
    monkeypatch.setenv(variable, value)
    ended = shell.run("doctor", check, "--json")
    finding = {f["check"]: f for f in ended.json()}[check]
    assert ended.code == 1
    assert finding["level"] == "fail"
    assert finding["fix"]
    assert "secret" not in ended.said


def test_a_taken_port_fails(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is a gateway's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("MODELYARD_PORT", str(taken.getsockname()[1]))
        assert _found(shell, "Port")["Port"]["level"] == "fail"


def test_a_readable_secret_fails(shell: Shell, installation: Installation) -> None:
    """The file that signs sessions is for its owner alone."""
    file = installation.settings.data_dir / "secret.key"
    file.write_text("x" * 40)
    file.chmod(0o644)
    finding = _found(shell, "Data folder")["Data folder"]
    assert finding["level"] == "fail"
    assert finding["fix"] == f"chmod 600 {file}"


def test_config_shows_every_setting_and_no_secret(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Value, origin and meaning; a secret only says that it is set."""
    monkeypatch.setenv("MODELYARD_PARALLEL", "7")
    rows = {row["variable"]: row for row in shell.run("config", "--json").json()}
    assert rows["MODELYARD_PARALLEL"]["value"] == "7"
    assert rows["MODELYARD_PARALLEL"]["origin"] == "environment"
    assert rows["MODELYARD_PORT"]["meaning"]
    assert rows["MODELYARD_SECRET_KEY"]["value"] == "(set)"
    assert "MODELYARD_PARALLEL" in shell.run("config").said
