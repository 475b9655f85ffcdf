"""What every command does first: the options of `modelyard` itself, and whom it works with."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from modelyard.registry.console import BELOW, Commands, err, out
from modelyard.registry.errors import LocalOnly, SettingsInvalid

EXAMPLES = """
[bold]Examples[/bold]

  modelyard up                            everything on this machine

  modelyard --data /mnt/other status      the installation in another folder

  modelyard --debug models list           with the traceback of what goes wrong
"""
DATA = "MODELYARD_DATA_DIR"

START_SERVERS = {("up",), ("gateway",), ("worker",), ("flows",), ("dashboard",)}
"""These begin something of their own instead of joining what runs."""

NEED_NO_INSTALLATION = {("up",), ("gateway",), ("dashboard",), ("chat",), ("status",)} | {
    ("notices",),
    ("config",),
    ("doctor",),
    ("requests", "submit"),
    ("requests", "list"),
    ("requests", "show"),
    ("requests", "wait"),
    ("requests", "cancel"),
    ("requests", "queue"),
    ("batches", "create"),
    ("batches", "list"),
    ("batches", "show"),
    ("batches", "wait"),
    ("batches", "cancel"),
    ("batches", "output"),
    ("callbacks", "list"),
    ("callbacks", "resend"),
    ("callbacks", "secrets"),
    ("callbacks", "addresses"),
}
"""These are the same wherever the gateway of MODELYARD_GATEWAY_URL is."""

ASK_THE_GATEWAY = {
    ("models", "list"),
    ("models", "show"),
    ("models", "add"),
    ("models", "promote"),
    ("models", "remove"),
    ("models", "search"),
    ("models", "unload"),
    ("gpus", "list"),
    ("gpus", "maintenance"),
    ("gpus", "clear"),
    ("runs", "list"),
    ("runs", "show"),
    ("runs", "cancel"),
    ("runs", "retry"),
    ("usage",),
    ("users", "add"),
    ("users", "list"),
    ("users", "set-password"),
    ("users", "disable"),
    ("users", "enable"),
    ("users", "remove"),
    ("users", "quota"),
    ("keys", "create"),
    ("keys", "list"),
    ("keys", "revoke"),
}
"""These ask a gateway elsewhere through its API where one is set, and the registry here else."""


def attach(commands: Commands) -> None:
    commands.root.callback(epilog=EXAMPLES)(start)


def _tell_version(wanted: bool) -> None:
    if wanted:
        out.print(f"modelyard {version('modelyard')}", highlight=False)
        raise typer.Exit


def start(
    ctx: typer.Context,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the installation; also MODELYARD_DATA_DIR.")
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log everything; show tracebacks of faults.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell and end."),
    ] = False,
) -> None:
    """From a Hugging Face model id to a served, watched version."""
    if debug:
        _log_everything()
    if data is not None:
        os.environ[DATA] = str(data.expanduser().absolute())
    path = _command(ctx)
    if "--help" in ctx.meta[BELOW]:
        return
    if _is_remote():
        if path not in NEED_NO_INSTALLATION | ASK_THE_GATEWAY:
            raise _local_only(path)
        if path in ASK_THE_GATEWAY:
            from modelyard.serving.cli.connection import find

            ctx.obj = find()
    elif path not in START_SERVERS:
        _join_what_runs()


def _is_remote() -> bool:
    from modelyard.registry.settings import load
    from modelyard.serving.cli.connection import has_installation
    from modelyard.serving.cli.settings import ClientSettings

    return bool(load(ClientSettings).gateway_url) and not has_installation()


def _log_everything() -> None:
    from modelyard.registry.logs import set_up

    os.environ["MODELYARD_LOG_LEVEL"] = "debug"
    set_up(level="debug")


def _command(ctx: typer.Context) -> tuple[str, ...]:
    """The first two of the command's words after `modelyard`, such as ("models", "list")."""
    first = ctx.invoked_subcommand or ""
    group = getattr(ctx.command, "commands", {}).get(first)
    below = getattr(group, "commands", {})
    return (first, *(word for word in ctx.meta[BELOW][:1] if word in below))


def _local_only(path: tuple[str, ...]) -> LocalOnly:
    words = " ".join(path)
    return LocalOnly(
        f"`modelyard {words}` works on the installation itself, and MODELYARD_GATEWAY_URL names a "
        "gateway elsewhere.",
        fix="Run it where that gateway runs; or, to work on an installation here, unset "
        "MODELYARD_GATEWAY_URL or name the folder with --data.",
    )


def _join_what_runs() -> None:
    """Work on the `up` that runs, wherever its data are, unless settings or data say otherwise."""
    from modelyard.registry.process.running_instances import running_folders
    from modelyard.registry.settings import RegistrySettings, load
    from modelyard.serving.cli.connection import has_installation

    if has_installation():
        return
    usual = load(RegistrySettings).data_dir
    folders = running_folders()
    if usual in folders or not folders:
        return
    if len(folders) > 1:
        raise SettingsInvalid(
            f"{len(folders)} installations run here: {', '.join(map(str, folders))}.",
            fix="Name one: modelyard --data FOLDER …, or MODELYARD_DATA_DIR.",
        )
    os.environ[DATA] = str(folders[0])
    err.print(f"On the running installation in {escape(str(folders[0]))}", style="dim")
