"""`modelyard doctor`: is everything here that is needed, and if not, what to do."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from modelyard.registry.console import Commands, out, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelyard.serving.cli.checks.finding import Finding

EXAMPLES = """
[bold]Examples[/bold]

  modelyard doctor

  modelyard doctor --json | jq -r '.[] | select(.level != "ok") | .fix'

Exit code 1: something fails; warnings alone end with 0.
"""

_STYLES = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "fail": "[red]fail[/red]"}


def attach(commands: Commands) -> None:
    commands.root.command("doctor", epilog=EXAMPLES)(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check this machine and the servers it is set up to use."""
    findings: list[Finding] = []
    for finding in _findings():
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)


def _findings() -> "Iterator[Finding]":
    """Each as soon as it is known: a server that hangs takes seconds."""
    from modelyard.registry.settings import RegistrySettings, load
    from modelyard.serving.cli.checks import engines, machine, servers
    from modelyard.serving.settings import GatewaySettings
    from modelyard.serving.worker.settings import WorkerSettings

    registry = load(RegistrySettings)
    gateway = load(GatewaySettings)
    load(WorkerSettings)  # a wrong value is told here as well
    yield machine.python()
    yield machine.gpus()
    yield engines.gguf_engine(registry.data_dir)
    yield engines.onnx_engine()
    yield machine.free_memory()
    yield machine.disk(registry)
    yield machine.data_folder(registry)
    yield machine.gateway_port(gateway)
    yield servers.database(registry)
    yield servers.mlflow(registry)
    yield servers.qdrant(registry)
    yield servers.redis(registry)
    yield servers.prefect()
    yield servers.hub()


def _show(finding: "Finding") -> None:
    out.print(
        f"{_STYLES[finding.level]}  {finding.check:<12} {escape(finding.found)}", highlight=False
    )
    if finding.fix:
        out.print(f"      {'':<12} [yellow]{escape(finding.fix)}[/yellow]", highlight=False)
