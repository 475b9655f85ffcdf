"""The `modelyard` command inside this process, as a shell sees it."""

import json
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from modelyard.registry.console import Commands, err, out
from modelyard.registry.database import utc_now
from modelyard.registry.errors import ModelyardError
from modelyard.registry.fleet.tables import WorkerRow
from modelyard.serving.cli.register import register
from tests.serving.installation import SECRET, Installation


def keep_alive(installation: Installation) -> None:
    """Signs of life that last for an hour, however long a command's libraries take to load."""
    later = utc_now() + timedelta(hours=1)
    with installation.database.begin() as session:
        session.execute(update(WorkerRow).values(heartbeat_at=later))


def _restored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that commands set for the length of their process is as it was after the test."""
    value = os.environ.get(name)
    monkeypatch.setenv(name, value or "")
    if value is None:
        monkeypatch.delenv(name)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended and what it said."""

    code: int
    said: str

    def json(self) -> Any:
        return json.loads(self.said)


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands; an expected error becomes its exit code, as `main.run` makes it."""

    commands: Commands

    @classmethod
    def over(cls, installation: Installation, monkeypatch: pytest.MonkeyPatch) -> "Shell":
        monkeypatch.setenv("MODELYARD_DATA_DIR", str(installation.settings.data_dir))
        monkeypatch.setenv("MODELYARD_DATABASE_URL", installation.settings.database_url)
        monkeypatch.setenv("MODELYARD_SECRET_KEY", SECRET)
        for name in ("MODELYARD_GATEWAY_URL", "MODELYARD_API_KEY", "MODELYARD_CONFIG"):
            monkeypatch.delenv(name, raising=False)
        commands = Commands()
        register(commands)
        return cls.wide(commands, monkeypatch)

    @classmethod
    def wide(cls, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> "Shell":
        """On a terminal where no line is broken, with the environment as it is."""
        monkeypatch.setattr(out, "_width", 200)
        monkeypatch.setattr(err, "_width", 200)
        for name in ("MODELYARD_DATA_DIR", "MODELYARD_LOG_LEVEL"):
            _restored(name, monkeypatch)
        return cls(commands)

    def run(self, *arguments: str, typed: str = "") -> CommandResult:
        result = CliRunner().invoke(self.commands.root, list(arguments), input=typed)
        if isinstance(result.exception, ModelyardError):
            return CommandResult(result.exception.exit_code, str(result.exception))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return CommandResult(result.exit_code, result.output)
