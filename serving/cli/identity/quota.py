"""`modelyard users quota`: how much a user may use."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.registry.console import Commands, out, print_json

if TYPE_CHECKING:
    from modelyard.registry.billing.quota import Quota

EXAMPLES = """
[bold]Examples[/bold]

  modelyard users quota ada                              shows it

  modelyard users quota ada --request-limit 1000 --expires 2027-01-31

  modelyard users quota ada --reset                      counts requests from 0 again

  modelyard users quota ada --gpu-limit 2 --priority-limit 3 --json
"""


def attach(commands: Commands) -> None:
    commands.users.command("quota", epilog=EXAMPLES)(quota)


def quota(
    name: Annotated[str, typer.Argument(help="The user's name.")],
    request_limit: Annotated[
        int | None, typer.Option(min=0, help="Requests that are let in at all; 0: no limit.")
    ] = None,
    gpu_limit: Annotated[
        int | None, typer.Option(min=0, max=100_000, help="GPUs with work at once; 0: no limit.")
    ] = None,
    priority_limit: Annotated[
        int | None, typer.Option(min=1, max=5, help="The most urgent priority; 5 is the highest.")
    ] = None,
    expires: Annotated[
        datetime | None, typer.Option(help="When the limits end (UTC); else they stay.")
    ] = None,
    never_expires: Annotated[
        bool, typer.Option("--never-expires", help="The limits stay.")
    ] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Count requests from 0 again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show a user's quota, or set what is named; gateways follow within about a second."""
    from modelyard.registry.billing.quota import QuotaChange
    from modelyard.serving.cli.identity.user_quotas import user_quotas

    with user_quotas() as quotas:
        user_id = quotas.named(name)
        old = quotas.find(user_id)
        change = QuotaChange(
            old.gpu_limit if gpu_limit is None else gpu_limit,
            old.request_limit if request_limit is None else request_limit,
            old.priority_limit if priority_limit is None else priority_limit,
            _end(old, expires, never=never_expires),
            0 if reset else None,
        )
        asked = (request_limit, gpu_limit, priority_limit, expires, never_expires or None)
        is_set = reset or any(value is not None for value in asked)
        new = quotas.set(user_id, change) if is_set else old
    _show(name, new, as_json=as_json)


def _end(old: "Quota", expires: datetime | None, *, never: bool) -> datetime | None:
    if never:
        return None
    if expires is None:
        return old.expiration_time
    end = expires.replace(tzinfo=UTC)
    if end <= datetime.now(UTC):
        raise typer.BadParameter(
            f"--expires {end:%Y-%m-%d} is over, and with it the limits. Name a later day; "
            "--request-limit 0 --gpu-limit 0 lifts limits now."
        )
    return end


def _show(name: str, quota: "Quota", *, as_json: bool) -> None:
    if as_json:
        print_json({key: value for key, value in asdict(quota).items() if key != "period"})
        return
    end = f"until {quota.expiration_time:%Y-%m-%d %H:%M} UTC" if quota.expiration_time else ""
    of = f"of {quota.request_limit} {end}" if quota.request_limit else "without a limit"
    gpus = str(quota.gpu_limit or "any number of")
    out.print(
        f"{name}: {quota.request_count} requests {of}, {gpus} GPUs at once, "
        f"priority up to {quota.priority_limit}.",
        highlight=False,
    )
