"""`modelyard dashboard` becomes the server that its options describe."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelyard.dashboard.cli import register
from modelyard.dashboard.launch import HOME
from modelyard.registry.console import Commands


@pytest.fixture
def commands() -> Commands:
    commands = Commands()
    register(commands)
    return commands


def test_the_help_shows_examples(commands: Commands) -> None:
    """A person finds the usual calls in `--help`."""
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(commands.root, ["dashboard", "--help"])
    assert "modelyard dashboard --gateway-url" in shown.output


def test_the_process_becomes_streamlit(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process stands between a supervisor's signals and the server, and options win."""
    started: list[tuple[list[str], str]] = []

    def execve(path: str, argv: list[str], env: dict[str, str]) -> None:
        started.append((argv, env["MODELYARD_GATEWAY_URL"]))

    monkeypatch.chdir(".")  # and back, once it is over
    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setenv("MODELYARD_GATEWAY_URL", "http://from-environment:1")
    options = ["--port", "0", "--host", "127.0.0.1", "--gateway-url", "http://gpu1:8080/"]
    result = CliRunner().invoke(commands.root, ["dashboard", *options])
    assert result.exit_code == 0, result.output
    argv, gateway = started[0]
    assert argv[2:6] == ["-m", "modelyard.dashboard.server", "--host", "127.0.0.1"]
    assert gateway == "http://gpu1:8080"
    assert Path.cwd() == HOME.resolve()  # whose settings Streamlit reads
