"""`modelyard usage`: requests and tokens by day, user and model."""

from typing import Annotated, Any

import typer

from modelyard.registry.console import Commands, print_json, print_table

EXAMPLES = """
[bold]Examples[/bold]

  modelyard usage

  modelyard usage --days 7 --user ada

  modelyard usage --json | jq '[.[].output_tokens] | add'
"""


def attach(commands: Commands) -> None:
    commands.root.command("usage", epilog=EXAMPLES)(usage)


def usage(
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days back.")] = 30,
    user: Annotated[str, typer.Option(help="Only this user's; else all you may see.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show requests and tokens by day, user and model, the latest day first."""
    used = _used(days, user)
    if as_json:
        print_json(used)
        return
    print_table(
        ("Model", "User", "Day", "Requests", "Failed", "Read", "Cached", "Written"),
        [
            (
                day["model"],
                day["user"],
                day["day"],
                day["requests"],
                day["failed"],
                day["prompt_tokens"],
                day["cached_tokens"],
                day["output_tokens"],
            )
            for day in used
        ],
        empty=f"No request in the last {days} days.",
    )


def _used(days: int, user: str) -> list[dict[str, Any]]:
    from urllib.parse import urlencode

    from modelyard.serving.cli.connection import elsewhere

    if gateway := elsewhere():
        query = urlencode({"days": days, "user": user})
        return list(gateway.ask("GET", f"/api/v1/usage?{query}")["usage"])
    from modelyard.registry.billing.usage import UsageBook
    from modelyard.serving.cli.context import installation
    from modelyard.serving.wire.admin.reports.usage_report import UsageDay

    with installation() as registry:
        totals = UsageBook(registry.database).totals(days, user or None)
    return [UsageDay.of(total).model_dump(mode="json") for total in totals]
