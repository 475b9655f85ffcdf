"""`modelyard models gc` and `modelyard models verify`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.registry.console import Commands, err, out, print_json, print_table
from modelyard.registry.errors import FileCorrupt
from modelyard.registry.sizes import size_text

if TYPE_CHECKING:
    from modelyard.flows.context import FlowContext
    from modelyard.flows.upkeep.leftovers import Leftover

GC_EXAMPLES = """
[bold]Examples[/bold]

  modelyard models gc          what belongs to nothing, why, and how large it is

  modelyard models gc --yes    remove it

  modelyard models gc --json | jq '.[].size'

Records on an MLflow or Qdrant server may be those of another installation: they are shown, and
removed only with --shared.
"""
VERIFY_EXAMPLES = """
[bold]Examples[/bold]

  modelyard models verify            reads every file: as long as the disk takes for it

  modelyard models verify --quick    presence and sizes only

Exit code 0: all places agree; 8: something differs, and each line says what and what to do.
"""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    commands.models.command("gc", epilog=GC_EXAMPLES)(collect_garbage)
    commands.models.command("verify", epilog=VERIFY_EXAMPLES)(verify)


def collect_garbage(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove what is shown.")] = False,
    shared: Annotated[
        bool, typer.Option(help="Also what this installation does not know on shared servers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what belongs to nothing, and why; with --yes remove it."""
    from modelyard.flows.context import open_context
    from modelyard.flows.upkeep.leftovers import Leftovers

    with open_context() as context:
        leftovers = Leftovers(context, _settle)
        found = leftovers.find()
        going = [each for each in found if shared or not each.shared]
        if yes:
            leftovers.clear(going)
        busy = leftovers.is_busy()
    if as_json:
        print_json([_document(each, removed=yes and each in going) for each in found])
    else:
        _show(found, going, removed=yes)
    if busy:
        err.print("An ingest is running: files and downloads are left alone until it has ended.")


def _show(found: "list[Leftover]", going: "list[Leftover]", *, removed: bool) -> None:
    rows = [(each.kind, each.name, size_text(each.size), each.why) for each in found]
    print_table(("What", "Name", "Size", "Why"), rows, empty="Everything belongs to something.")
    if not found:
        return
    total = f"{len(going)} leftovers, {size_text(sum(each.size for each in going))}"
    end = "removed." if removed else "would be removed: run the same with --yes."
    out.print(f"\n{total}, {end}", highlight=False)
    if kept := len(found) - len(going):
        servers = "lie on a shared server and may be another installation's (--shared)."
        out.print(f"{kept} more {servers}", highlight=False)


def _document(leftover: "Leftover", *, removed: bool) -> dict[str, Any]:
    return {
        "kind": leftover.kind,
        "name": leftover.name,
        "size": leftover.size,
        "why": leftover.why,
        "shared": leftover.shared,
        "removed": removed,
    }


def _settle(context: "FlowContext") -> list[str]:
    """End dead runs, on Prefect too where a server answers."""
    from modelyard.flows.errors import PrefectUnreachable
    from modelyard.flows.prefect import address

    login = context.settings.prefect_auth.get_secret_value()
    try:
        server = address.find(context.settings.prefect_url, login, context.registry.data_dir)
    except PrefectUnreachable:
        server = None
    if server is None:
        err.print("No Prefect server answers: runs are ended there by the next `models add`.")
        context.board.end_silent("No sign of life for over an hour.")
        return []
    address.prepare(server)
    address.confirm(server)
    from modelyard.flows.ingest.settling import settle

    return settle(context)


def verify(
    quick: Annotated[bool, typer.Option("--quick", help="Do not read the files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare store, catalog, MLflow and card index, and every file with its hash."""
    from modelyard.flows.context import open_context
    from modelyard.flows.upkeep.verifying import Verifier

    with open_context() as context:
        found = Verifier(context, hashes=not quick).check(
            lambda version: err.print(f"{version.ref}…", highlight=False)
        )
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        rows = [(f.version, f.place, f.problem, f.fix) for f in found]
        print_table(("Version", "Where", "Problem", "Fix"), rows, empty="All places agree.")
    if found:
        raise typer.Exit(FileCorrupt.exit_code)
