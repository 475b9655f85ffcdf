"""Whatever is broken around a command, it ends with words for people: never with a traceback."""

import io
import logging
import os
import sys
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from modelyard.registry.logs.lines import LINES
from modelyard.serving.cli import main
from tests.serving.cli.every_command import line, paths
from tests.serving.installation import SECRET, Installation

NOBODY = "127.0.0.1:9"
SERVE = {("up",), ("gateway",), ("dispatcher",), ("worker",), ("flows",), ("dashboard",)}
"""These would go on for ever where a fault does not keep them from starting."""

OF_ITS_OWN = {("dashboard",), ("doctor",)}
"""The dashboard has no installation; `doctor` says what is broken as a finding, in its own test."""

ASK_NO_DATABASE = {("config",), ("keys", "metrics"), ("logs",)}

DATABASES = {
    "no database server": {"DATABASE_URL": f"postgresql+psycopg://me:pw-secret@{NOBODY}/db"},
    "no database": {"DATABASE_URL": "sqlite:///broken/modelyard.db"},
    "no folder": {"DATA_DIR": "broken/modelyard.db/below-a-file"},
}
SETTINGS = ("broken/settings.toml", "broken/modelyard.db", "broken/missing.toml", "broken")


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """`main.run` sets up its process, which here is that of all other tests: it is put back."""
    for name in ("NO_PROXY", "no_proxy", "PYTHONSAFEPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    for hooks in (sys, threading):
        monkeypatch.setattr(hooks, "excepthook", hooks.excepthook)
    monkeypatch.setattr(LINES, "level", LINES.level)
    monkeypatch.setattr(LINES, "form", LINES.form)
    root = logging.getLogger()
    before = (root.level, [*root.handlers])
    mask = os.umask(0o077)
    yield
    os.umask(mask)
    logging.captureWarnings(capture=False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]


@pytest.fixture(autouse=True)
def _broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a database and settings that are none; the Hub is away."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "modelyard.db").write_bytes(b"\xff no database" * 500)
    (tmp_path / "broken" / "settings.toml").write_text("port = = 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", f"http://{NOBODY}")
    for name in ("DATABASE_URL", "CONFIG", "GATEWAY_URL", "API_KEY", "LOG_LEVEL"):
        monkeypatch.delenv(f"MODELYARD_{name}", raising=False)
    given = {"HUB_ATTEMPTS": "1", "SECRET_KEY": SECRET, "DATA_DIR": str(tmp_path)}
    for name, value in given.items():
        monkeypatch.setenv(f"MODELYARD_{name}", value)


def _set(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"MODELYARD_{name}", value)


def _ended(
    words: Sequence[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """The exit code of `modelyard …` in this process, and all that it said."""
    monkeypatch.setattr("sys.argv", ["modelyard", *words])
    monkeypatch.setattr("sys.stdin", io.StringIO("a long password\n"))
    with pytest.raises(SystemExit) as ended:
        main.run()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


def _is_for_people(said: str) -> bool:
    """No traceback, no fault of ours, no secret."""
    return not any(word in said for word in ("Traceback", "fault of ours", "pw-secret"))


@pytest.mark.parametrize("fault", DATABASES)
def test_every_command_says_which_database_or_folder_cannot_be_used(
    fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do, and an exit code of its own."""
    _set(DATABASES[fault], monkeypatch)
    for path in paths():
        if path in OF_ITS_OWN | ASK_NO_DATABASE:
            continue
        code, said = _ended(line(path), monkeypatch, capsys)
        assert _is_for_people(said), (path, said)
        assert code > 1, (path, said)
        assert "Fix:" in said, (path, said)


@pytest.mark.parametrize("file", SETTINGS)
def test_every_command_names_a_settings_file_that_cannot_be_read(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Be it no TOML, no text, a folder, or not there."""
    _set({"CONFIG": file}, monkeypatch)
    for path in paths():
        code, said = _ended(line(path), monkeypatch, capsys)
        assert _is_for_people(said), (path, said)
        assert code == 2, (path, said)
        assert file in said, (path, said)


@pytest.mark.slow
def test_every_command_does_without_servers_that_are_away_or_names_them(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """MLflow, Qdrant and Redis all refuse the connection."""
    version = installation.filled.add("owner/name")
    installation.filled.catalog.finish(version.id, "1")
    away = {"MLFLOW_URI": f"http://{NOBODY}", "QDRANT_URL": f"http://{NOBODY}"}
    _set(away | {"REDIS_URL": f"redis://:pw-secret@{NOBODY}"}, monkeypatch)
    for path in paths():
        if path in SERVE | OF_ITS_OWN:
            continue
        code, said = _ended(line(path), monkeypatch, capsys)
        assert _is_for_people(said), (path, said)
        assert code == 0 or "Fix:" in said or path == ("users", "add"), (path, said)


def test_a_fault_of_ours_shows_its_traceback_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --debug there is one sentence and how to see more; never a secret."""

    def breaks() -> None:
        raise ZeroDivisionError("with password=pw-secret")

    monkeypatch.setattr(main, "build", breaks)
    code, said = _ended(("config",), monkeypatch, capsys)
    assert code == 1
    assert "Traceback" not in said
    assert "--debug" in said
    monkeypatch.setenv("MODELYARD_LOG_LEVEL", "debug")
    _, said = _ended(("config",), monkeypatch, capsys)
    assert "Traceback" in said
    assert "pw-secret" not in said
