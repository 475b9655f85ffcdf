"""Every command explains itself with examples."""

from typing import Any

import pytest
import typer

from tests.serving.cli.shell import Shell


def _all(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below: dict[str, Any] = getattr(command, "commands", {})
    deeper = [found for name, sub in below.items() for found in _all(sub, (*path, name))]
    return deeper or [path]


def test_every_command_shows_examples(shell: Shell) -> None:
    """`--help` ends with commands to copy."""
    paths = _all(typer.main.get_command(shell.commands.root))
    assert {("gateway",), ("models", "promote"), ("keys", "revoke"), ("doctor",)} <= set(paths)
    for path in paths:
        ended = shell.run(*path, "--help")
        assert ended.code == 0
        assert f"modelyard {' '.join(path)}" in ended.said, path


@pytest.mark.parametrize("group", ["models", "users", "keys"])
def test_a_group_alone_lists_its_commands(shell: Shell, group: str) -> None:
    """Without a command there is the help, not an error to puzzle over."""
    assert "Commands" in shell.run(group).said
