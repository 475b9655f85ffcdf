"""`modelyard runs`: lifecycle runs, as the board has them."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from modelyard.registry.console import Commands, print_json, print_table
from modelyard.registry.errors import SettingsInvalid

EXAMPLES = """
[bold]Examples[/bold]

  modelyard runs list

  modelyard runs list --limit 5 --json | jq -r '.[].state'

  modelyard runs show 3f2a                             by the beginning of its id
"""
MOST = 500
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    group = typer.Typer(help="Lifecycle runs: ingests and upkeep.", no_args_is_help=True)
    commands.root.add_typer(group, name="runs")
    group.command("list", epilog=EXAMPLES)(list_runs)
    group.command("show", epilog=EXAMPLES)(show)


def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="The most to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest runs, the newest first."""
    runs = _latest(limit)
    if as_json:
        print_json(runs)
        return
    print_table(
        ("Run", "Flow", "Subject", "State", "Step", "Progress"),
        [(r["id"][:8], r["flow"], r["subject"], r["state"], r["step"], _progress(r)) for r in runs],
        empty="No lifecycle run yet: `modelyard models add REPO` starts one.",
    )


def show(
    run: Annotated[str, typer.Argument(help="Its id, or as much of it as is clear.")],
    as_json: AsJson = False,
) -> None:
    """Show one run with all that the board knows, such as why it failed."""
    from modelyard.serving.errors import NotFound

    found = [one for one in _latest(MOST) if one["id"].startswith(run)]
    if not found or not run:
        raise NotFound(f"There is no run '{run[:40]}'.", fix="`modelyard runs list` lists them.")
    if len(found) > 1:
        raise SettingsInvalid(
            f"{len(found)} runs begin with '{run[:40]}'.", fix="Give more of the id."
        )
    if as_json:
        print_json(found[0])
    else:
        lines = [(name, "" if value is None else value) for name, value in found[0].items()]
        print_table(("", found[0]["subject"]), lines, empty="")


def _latest(limit: int) -> list[dict[str, Any]]:
    from modelyard.serving.cli.connection import elsewhere

    if gateway := elsewhere():
        return list(gateway.ask("GET", f"/api/v1/runs?limit={limit}")["runs"])
    from modelyard.registry.runs.runs import RunBoard
    from modelyard.serving.cli.context import installation
    from modelyard.serving.wire.admin.registered import LifecycleRun

    with installation() as registry:
        runs = RunBoard(registry.database).list(limit)
    return [LifecycleRun.model_validate(asdict(run)).model_dump(mode="json") for run in runs]


def _progress(run: dict[str, Any]) -> str:
    return f"{run['done'] / run['total']:.0%}" if run["total"] else ""
