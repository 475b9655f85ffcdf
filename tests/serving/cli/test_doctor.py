"""`modelyard doctor` and `modelyard config`."""

import socket

import pytest

from tests.serving.cli.shell import Shell
from tests.serving.installation import Installation


def _found(shell: Shell) -> dict[str, dict[str, str]]:
    return {finding["check"]: finding for finding in shell.run("doctor", "--json").json()}


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
    assert shell.run("doctor").code == 0


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
    ended = shell.run("doctor", "--json")
    finding = {f["check"]: f for f in ended.json()}[check]
    assert ended.code == 1
    assert finding["level"] == "fail"
    assert finding["fix"]
    assert "secret" not in ended.said


def test_a_taken_port_fails(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is a gateway's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("MODELYARD_PORT", str(taken.getsockname()[1]))
        assert _found(shell)["Port"]["level"] == "fail"


def test_a_readable_secret_fails(shell: Shell, installation: Installation) -> None:
    """The file that signs sessions is for its owner alone."""
    file = installation.settings.data_dir / "secret.key"
    file.write_text("x" * 40)
    file.chmod(0o644)
    finding = _found(shell)["Data folder"]
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
