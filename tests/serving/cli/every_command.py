"""Every command of every package with arguments that it takes, for rules that hold for all."""

from collections.abc import Iterator
from typing import Any

import typer

from modelyard.registry.console import Commands
from modelyard.serving.cli.main import build

ARGUMENTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("chat",): ("owner/name", "Hello"),
    ("keys", "create"): ("ada",),
    ("keys", "revoke"): ("my_x7Qp2aLd",),
    ("models", "add"): ("owner/name",),
    ("models", "add-adapter"): ("owner/name", "pirate", "owner/pirate/pirate.gguf"),
    ("models", "promote"): ("owner/name@1", "--no-wait"),
    ("models", "remove"): ("owner/name", "--yes"),
    ("models", "search"): ("verse",),
    ("models", "show"): ("owner/name",),
    ("models", "unload"): ("owner/name",),
    ("batches", "cancel"): ("batch_3f2a",),
    ("batches", "create"): (__file__,),
    ("batches", "output"): ("batch_3f2a",),
    ("batches", "show"): ("batch_3f2a",),
    ("batches", "wait"): ("batch_3f2a",),
    ("callbacks", "addresses", "enable"): ("https://example.com/done",),
    ("callbacks", "resend"): ("msg_3f2a",),
    ("callbacks", "secrets", "end"): ("3f2a",),
    ("requests", "cancel"): ("3f2a",),
    ("requests", "show"): ("3f2a",),
    ("requests", "submit"): ("owner/name", "Hello"),
    ("requests", "wait"): ("3f2a",),
    ("runs", "cancel"): ("3f2a",),
    ("runs", "retry"): ("3f2a",),
    ("runs", "show"): ("3f2a",),
    ("gateway",): ("--port", "0"),
    ("dispatcher",): ("--port", "0"),
    ("up",): ("--port", "0"),
    ("users", "add"): ("ada", "--no-password"),
    ("users", "disable"): ("ada",),
    ("users", "enable"): ("ada",),
    ("users", "quota"): ("ada",),
    ("users", "remove"): ("ada", "--yes"),
    ("users", "set-password"): ("ada", "--password-stdin"),
    ("gpus", "clear"): ("gpu-0",),
    ("gpus", "maintenance"): ("gpu-0",),
}
"""What those commands are given that ask for something."""


def commands() -> Commands:
    """All that is installed, as `modelyard` itself finds it."""
    return build()


def paths() -> list[tuple[str, ...]]:
    """The words of each command, such as ("models", "list")."""
    return [*_below(typer.main.get_command(commands().root))]


def line(path: tuple[str, ...]) -> tuple[str, ...]:
    return (*path, *ARGUMENTS.get(path, ()))


def _below(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    below: dict[str, Any] = getattr(command, "commands", {})
    for name, sub in below.items():
        yield from _below(sub, (*path, name))
    if not below:
        yield path
