"""`modelyard config`: every setting, its value, where it came from, what it means."""

from dataclasses import asdict
from typing import Annotated

import typer

from modelyard.registry.console import Commands, out, print_json, print_table

EXAMPLES = """
[bold]Examples[/bold]

  modelyard config

  modelyard config --json | jq -r '.[] | select(.origin != "default")'

  MODELYARD_PORT=9000 modelyard config                 the environment wins over the file
"""


def attach(commands: Commands) -> None:
    commands.root.command("config", epilog=EXAMPLES)(config)


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show all settings; secrets only say whether they are set."""
    from modelyard.registry.process.shown_settings import show_all
    from modelyard.registry.settings import config_file

    settings = show_all()
    if as_json:
        print_json([asdict(setting) for setting in settings])
        return
    print_table(
        ("Variable", "Value", "From", "Meaning"),
        [(s.variable, s.value, s.origin, s.meaning) for s in settings],
        empty="There are no settings.",
    )
    state = "is read" if config_file().is_file() else "would be read if it were there"
    out.print(f"\nThe file {config_file().absolute()} {state}.", style="dim", highlight=False)
