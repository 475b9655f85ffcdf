"""`modelyard keys`: what programs show to come in."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from modelyard.registry.console import Commands, err, out, print_json, print_table

CREATE_EXAMPLES = """
[bold]Examples[/bold]

  modelyard keys create ada --name laptop

  modelyard keys create robot --expires-days 90 --json | jq -r .key
"""
LIST_EXAMPLES = """
[bold]Examples[/bold]

  modelyard keys list

  modelyard keys list --user ada --json
"""
REVOKE_EXAMPLES = """
[bold]Examples[/bold]

  modelyard keys revoke my_x7Qp2aLd            by the prefix that the list shows
"""

METRICS_EXAMPLES = """
[bold]Examples[/bold]

  (umask 077; modelyard keys metrics > modelyard.token)      for Prometheus' credentials_file
"""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    commands.keys.command("create", epilog=CREATE_EXAMPLES)(create)
    commands.keys.command("list", epilog=LIST_EXAMPLES)(list_keys)
    commands.keys.command("revoke", epilog=REVOKE_EXAMPLES)(revoke)
    commands.keys.command("metrics", epilog=METRICS_EXAMPLES)(metrics)


def create(
    user: Annotated[str, typer.Argument(help="Whose key it is to be.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "key",
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until it ends; else it stays.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it: this once, only its hash is kept."""
    from modelyard.serving.cli.identity.directory import directory

    expires = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    with directory() as users:
        key = users.create_key(user, name, expires)
    if as_json:
        print_json({"key": key, "user": user, "name": name, "expires_at": expires})
        return
    err.print("Shown this once; keep it safe:")
    out.print(key, highlight=False, soft_wrap=True)


def list_keys(
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List keys by their prefix."""
    from modelyard.serving.cli.identity.directory import directory

    with directory() as users:
        keys = users.list_keys(user)
    if as_json:
        print_json([asdict(key) for key in keys])
        return
    none = f"{user} has no key" if user else "There are no keys yet"
    print_table(
        ("Prefix", "User", "Name", "Since", "Until", "State"),
        [
            (
                key.prefix,
                key.user,
                key.name,
                f"{key.created_at:%Y-%m-%d}",
                f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "",
                key.state,
            )
            for key in keys
        ],
        empty=f"{none}: `modelyard keys create {user or 'USER'}` makes one.",
    )


def revoke(key: Annotated[str, typer.Argument(help="The key's prefix or id.")]) -> None:
    """End a key; it stops working within 5 seconds."""
    from modelyard.serving.cli.identity.directory import directory

    with directory() as users:
        users.revoke_key(key)
    out.print("Revoked.")


def metrics() -> None:
    """Show the token that opens /metrics of gateway and workers, and nothing else."""
    from modelyard.registry.secrets import metrics_token
    from modelyard.registry.settings import RegistrySettings, load

    out.print(metrics_token(load(RegistrySettings)), highlight=False, soft_wrap=True)
