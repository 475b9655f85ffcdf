"""The root of the `modelyard` command: every installed room brings its own commands."""

import sys
from importlib.metadata import entry_points
from typing import NoReturn

from rich.markup import escape

from modelyard.registry.console import Commands, err
from modelyard.registry.logs.hidden import without_logins
from modelyard.registry.logs.lines import LINES
from modelyard.registry.process.known_settings import check_file, unread_variables
from modelyard.registry.process.start import begin
from modelyard.serving.cli.faults import for_people, show_traceback


def build() -> Commands:
    commands = Commands()
    for entry in sorted(entry_points(group="modelyard.commands"), key=lambda e: e.name):
        entry.load()(commands)
    return commands


def run() -> None:
    """Run one command; whatever goes wrong is a message, the way out and an exit code."""
    try:
        begin()
        check_file()
        for sentence in unread_variables():
            err.print(f"[yellow]Warning:[/yellow] {escape(sentence)}", highlight=False)
        build().root()
    except Exception as error:  # noqa: BLE001  for_people knows what to say of each
        _end(error)


def _end(error: Exception) -> NoReturn:
    if LINES.level == "debug":
        show_traceback(error)
    told = for_people(error)
    err.print(f"[red]Error:[/red] {escape(without_logins(told.message))}", highlight=False)
    if told.fix:
        err.print(f"[yellow]Fix:[/yellow] {escape(without_logins(told.fix))}", highlight=False)
    sys.exit(told.exit_code)


if __name__ == "__main__":
    run()
