"""`modelyard runs`: lifecycle runs, as the board has them."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from modelyard.registry.console import Commands, print_json, print_table
from modelyard.registry.errors import UnknownRun

EXAMPLES = """
[bold]Examples[/bold]

  modelyard runs list

  modelyard runs list --limit 5 --json | jq -r '.[].state'

  modelyard runs show 3f2a                             by the beginning of its id
"""
MOST = 500
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    commands.runs.command("list", epilog=EXAMPLES)(list_runs)
    commands.runs.command("show", epilog=EXAMPLES)(show)


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
    found = _named(run)
    if as_json:
        print_json(found)
    else:
        lines = [(name, "" if value is None else value) for name, value in found.items()]
        print_table(("", found["subject"]), lines, empty="")


def _named(wanted: str) -> dict[str, Any]:
    from modelyard.serving.cli.connection import elsewhere

    if elsewhere():
        found = [run for run in _latest(MOST) if wanted and run["id"].startswith(wanted)]
        if len(found) == 1:
            return found[0]
        raise UnknownRun(
            f"Of the latest {MOST} runs {len(found)} begin with '{wanted[:40]}'.",
            fix="`modelyard runs list --json` has the whole ids.",
        )
    from modelyard.registry.runs.runs import RunBoard
    from modelyard.serving.cli.context import installation
    from modelyard.serving.wire.admin.registered import LifecycleRun

    with installation() as registry:
        run = RunBoard(registry.database).named(wanted)
    return LifecycleRun.model_validate(asdict(run)).model_dump(mode="json")


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
