"""The root command line that each package adds commands to, and output for people and programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer._click.core import Context
from typer.core import TyperGroup

from modelyard.registry.catalog.plain_text import plain_text

out = Console()
err = Console(stderr=True)


BELOW = "modelyard.below"
"""Key in a context's `meta`: the arguments that follow the first command's name."""


class GatewayElsewhere(Protocol):
    """A gateway on another machine, which commands ask instead of the installation here."""

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One request's JSON; raises ModelyardError."""
        ...


def gateway_elsewhere(ctx: typer.Context) -> GatewayElsewhere | None:
    """The gateway that this command works with; None where it works on the installation here."""
    return cast("GatewayElsewhere | None", ctx.obj)


class RootGroup(TyperGroup):
    """The root command; its callback can see which command of a group is asked for."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        below = super().parse_args(ctx, args)
        ctx.meta[BELOW] = tuple(below)
        return below


def _group(text: str, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    return typer.Typer(
        help=text,
        cls=cls,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,  # logged instead, without values
    )


@dataclass(frozen=True, slots=True)
class Commands:
    """The root command and the groups that several packages add commands to."""

    root: typer.Typer = field(
        default_factory=lambda: _group(
            "From a Hugging Face model id to a served, watched version.", RootGroup
        )
    )
    models: typer.Typer = field(
        default_factory=lambda: _group("Add, find, promote, remove models.")
    )
    users: typer.Typer = field(default_factory=lambda: _group("People and service accounts."))
    keys: typer.Typer = field(default_factory=lambda: _group("API keys for programs."))
    runs: typer.Typer = field(default_factory=lambda: _group("Lifecycle runs: ingests, upkeep."))

    def __post_init__(self) -> None:
        self.root.add_typer(self.models, name="models")
        self.root.add_typer(self.users, name="users")
        self.root.add_typer(self.keys, name="keys")
        self.root.add_typer(self.runs, name="runs")


def print_json(value: Any) -> None:
    """Print one JSON document to standard output, for programs."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table for people, or the sentence `empty` if there are no rows."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    cells = [[escape(_seen(str(cell))) for cell in row] for row in rows]
    # The first column names the row: on a narrow terminal the others are broken before it is.
    widest = max((len(row[0]) for row in cells), default=0)
    for number, column in enumerate(columns):
        is_whole = number == 0 and widest <= out.width // 2
        table.add_column(column, overflow="fold", no_wrap=is_whole)  # cut off it cannot be copied
    for row in cells:
        table.add_row(*row)
    out.print(table if table.row_count else empty)


def _seen(text: str) -> str:
    """The text without what would steer the terminal; a program reads all of it as JSON."""
    return plain_text(text, len(text))
