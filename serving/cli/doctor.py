"""`modelyard doctor`: is everything here that is needed, and if not, what to do."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from modelyard.registry.console import Commands, out, print_json
from modelyard.registry.errors import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from modelyard.serving.cli.checks.finding import Finding

EXAMPLES = """
[bold]Examples[/bold]

  modelyard doctor

  modelyard doctor MLflow Redis                only these

  modelyard doctor --json | jq -r '.[] | select(.level != "ok") | .fix'

Exit code 1: something fails; warnings alone end with 0.
"""

NAMES = (
    "Python",
    "GPU",
    "GGUF engine",
    "One token",
    "ONNX engine",
    "Memory",
    "Disk",
    "Data folder",
    "Port",
    "Database",
    "MLflow",
    "Qdrant",
    "Redis",
    "Prefect",
    "Hub",
)
"""What is looked at, in this order."""

_STYLES = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "fail": "[red]fail[/red]"}


def attach(commands: Commands) -> None:
    commands.root.command("doctor", epilog=EXAMPLES)(doctor)


def doctor(
    checks: Annotated[
        list[str] | None, typer.Argument(help="Only these, such as Database; else all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Try this machine, the engine and the servers it is set up to use."""
    findings: list[Finding] = []
    for finding in _findings(_wanted(checks or ())):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)


def _wanted(names: "Sequence[str]") -> frozenset[str]:
    """The named checks, or all; raises SettingsInvalid for a name that is none."""
    known = {name.casefold() for name in NAMES}
    wanted = frozenset(name.casefold() for name in names)
    if unknown := wanted - known:
        raise SettingsInvalid(
            f"There is no check '{min(unknown)[:100]}'.", fix=f"There are: {', '.join(NAMES)}."
        )
    return wanted or frozenset(known)


def _findings(wanted: frozenset[str]) -> "Iterator[Finding]":
    """Each as soon as it is known: a server that hangs takes seconds."""
    from modelyard.registry.settings import RegistrySettings, load
    from modelyard.serving.cli.checks import engines, machine, one_token, servers, stores
    from modelyard.serving.settings import GatewaySettings
    from modelyard.serving.worker.settings import WorkerSettings

    registry = load(RegistrySettings)
    gateway = load(GatewaySettings)
    load(WorkerSettings)  # a wrong value is told here as well
    each: tuple[Callable[[], Finding], ...] = (
        machine.python,
        machine.gpus,
        lambda: engines.gguf_engine(registry.data_dir),
        one_token.one_token,
        engines.onnx_engine,
        machine.free_memory,
        lambda: machine.disk(registry),
        lambda: machine.data_folder(registry),
        lambda: machine.gateway_port(gateway),
        lambda: stores.database(registry),
        lambda: servers.mlflow(registry),
        lambda: servers.qdrant(registry),
        lambda: stores.redis(registry),
        lambda: servers.prefect(registry),
        servers.hub,
    )
    for name, check in zip(NAMES, each, strict=True):
        if name.casefold() in wanted:
            yield check()


def _show(finding: "Finding") -> None:
    out.print(
        f"{_STYLES[finding.level]}  {finding.check:<12} {escape(finding.found)}", highlight=False
    )
    if finding.fix:
        out.print(f"      {'':<12} [yellow]{escape(finding.fix)}[/yellow]", highlight=False)
