"""Every command explains itself with examples."""

from typing import Any

import pytest
import typer

from tests.serving.cli.shell import Shell


def leaves(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Every command by its words, those of groups too."""
    below: dict[str, Any] = getattr(command, "commands", {})
    deeper = [found for name, sub in below.items() for found in leaves(sub, (*path, name))]
    return deeper or [(path, command)]


def test_every_command_shows_examples(shell: Shell) -> None:
    """`--help` ends with commands to copy."""
    paths = [path for path, _ in leaves(typer.main.get_command(shell.commands.root))]
    assert {("gateway",), ("models", "promote"), ("keys", "revoke"), ("doctor",)} <= set(paths)
    for path in paths:
        ended = shell.run(*path, "--help")
        assert ended.code == 0
        assert f"modelyard {' '.join(path)}" in ended.said, path


@pytest.mark.parametrize("group", ["models", "users", "keys"])
def test_a_group_alone_lists_its_commands(shell: Shell, group: str) -> None:
    """Without a command there is the help, not an error to puzzle over."""
    assert "Commands" in shell.run(group).said
