"""`modelyard logs`: what the services of `modelyard up` wrote."""

import sys
from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from modelyard.registry.console import Commands, print_table

EXAMPLES = """
[bold]Examples[/bold]

  modelyard logs                                       which there are

  modelyard logs gateway --lines 100

  modelyard logs worker-cpu-0 | grep error
"""


def attach(commands: Commands) -> None:
    commands.root.command("logs", epilog=EXAMPLES)(logs)


def logs(
    service: Annotated[str, typer.Argument(help="Such as gateway; none: which there are.")] = "",
    lines: Annotated[int, typer.Option(min=1, max=100_000, help="The last so many.")] = 40,
) -> None:
    """Print the end of a service's log."""
    from modelyard.registry.settings import RegistrySettings, load
    from modelyard.registry.sizes import size_text
    from modelyard.serving.errors import NotFound

    folder = load(RegistrySettings).data_dir / "logs"
    files = {file.stem: file for file in sorted(folder.glob("*.log"))}
    if not service:
        rows = [(name, size_text(file.stat().st_size), file) for name, file in files.items()]
        print_table(("Service", "Size", "File"), rows, empty=f"No service has written to {folder}.")
    elif service in files:
        _print_end(files[service], lines)
    else:
        raise NotFound(
            f"'{service[:100]}' has no log in {folder}.",
            fix=f"There are: {', '.join(files)}." if files else "`modelyard up` writes them.",
        )


def _print_end(file: Path, lines: int) -> None:
    """As it was written, for terminals and for programs."""
    with file.open(errors="replace") as log:
        sys.stdout.writelines(deque(log, lines))
