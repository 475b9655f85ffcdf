"""Commands find the `up` that runs, wherever it keeps its data, and say which it is."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelyard.registry.process.running_instances import running_folders
from modelyard.registry.running import RunningUp, running_file, write_running
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.cli.up.demo import FOLDER
from modelyard.serving.cli.up.instance_lock import alone_on
from tests.architecture.tree import ROOT
from tests.serving.cli.every_command import commands
from tests.serving.cli.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A user without any settings, whose home is `tmp_path`."""
    for name in ("DATA_DIR", "DATABASE_URL", "CONFIG", "GATEWAY_URL", "API_KEY"):
        monkeypatch.delenv(f"MODELYARD_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return Shell.wide(commands(), monkeypatch)


@contextmanager
def _up_on(data: Path) -> Generator[None]:
    """What `up` holds and writes while it runs."""
    with alone_on(data):
        write_running(running_file(data), RunningUp(gateway_url="http://127.0.0.1:9"))
        yield


def _folder(shell: Shell) -> str:
    rows = {row["variable"]: row["value"] for row in shell.run("config", "--json").json()}
    return rows["MODELYARD_DATA_DIR"]


def test_a_running_up_is_joined_and_named(shell: Shell, tmp_path: Path) -> None:
    """`users list` reads its database, `status` asks its gateway, and the folder is told."""
    data = tmp_path / "demo"
    with _up_on(data):
        assert running_folders() == [data]
        ended = shell.run("users", "list")
        assert str(data) in ended.said
        assert (data / "modelyard.db").exists()
    assert not (tmp_path / ".local").exists()


def test_the_usual_folder_comes_before_others(shell: Shell, tmp_path: Path) -> None:
    """A demo that also runs takes nothing of the installation that people work with."""
    usual = RegistrySettings().data_dir
    assert usual.is_relative_to(tmp_path)
    with _up_on(tmp_path / "demo"), _up_on(usual):
        assert _folder(shell) == str(usual)


def test_a_named_folder_comes_before_what_runs(shell: Shell, tmp_path: Path) -> None:
    """By `--data`."""
    with _up_on(tmp_path / "demo"):
        here = str(tmp_path / "here")
        assert str(tmp_path / "demo") not in shell.run("--data", here, "users", "list").said
    assert (tmp_path / "here" / "modelyard.db").exists()


def test_several_that_run_are_not_guessed_among(shell: Shell, tmp_path: Path) -> None:
    """The error names each and how to choose."""
    with _up_on(tmp_path / "a"), _up_on(tmp_path / "b"):
        ended = shell.run("users", "list")
    assert ended.code == 2
    assert str(tmp_path / "a") in ended.said
    assert "--data" in ended.said


def test_one_that_was_killed_is_not_found(shell: Shell, tmp_path: Path) -> None:
    """It leaves its files, but nobody holds its lock."""
    data = tmp_path / "demo"
    with _up_on(data):
        told = running_file(data).read_bytes()
        pointers = {p: p.read_bytes() for p in (tmp_path / "state").rglob("*") if p.is_file()}
    running_file(data).write_bytes(told)
    for pointer, content in pointers.items():
        pointer.write_bytes(content)
    assert running_folders() == []
    assert _folder(shell) == str(RegistrySettings().data_dir)


def test_make_and_the_command_use_the_same_folders() -> None:
    """`make up` and `make demo` name none of their own, and the README has the demo's."""
    makefile = (ROOT / "Makefile").read_text()
    assert set(re.findall(r"--data (\S+?)\)", makefile)) == {"$(DATA"}
    assert not re.search(r"^DATA\b", makefile, re.MULTILINE)
    assert f'Path("{FOLDER}/run/up.json")' in (ROOT / "README.md").read_text()
