"""`modelyard runs cancel` and `runs retry`: what Prefect is asked about lifecycle runs."""

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from modelyard.registry.console import Commands, gateway_elsewhere, out
from modelyard.registry.runs.orders_elsewhere import carried_out
from modelyard.registry.runs.state import RunState

if TYPE_CHECKING:
    from modelyard.flows.prefect.run_orders import RunOrders
    from modelyard.registry.runs.runs import RunView

CANCEL_EXAMPLES = """
[bold]Examples[/bold]

  modelyard runs cancel 3f2a                           by the beginning of its id

One that a command runs ends with Ctrl-C where it runs.
"""
RETRY_EXAMPLES = """
[bold]Examples[/bold]

  modelyard runs retry 3f2a                            the same again: it continues where it was

The process that serves the flows runs it: that of `modelyard up`, or `modelyard flows`.
"""

Run = Annotated[str, typer.Argument(help="Its id, or as much of it as is clear.")]


def attach(commands: Commands) -> None:
    commands.runs.command("cancel", epilog=CANCEL_EXAMPLES)(cancel)
    commands.runs.command("retry", epilog=RETRY_EXAMPLES)(retry)


def cancel(ctx: typer.Context, run: Run) -> None:
    """End a run that Prefect has running; what it downloaded is cleared away."""
    if gateway := gateway_elsewhere(ctx):
        order = carried_out(gateway, _path(run, "cancel"))
        out.print(f"{order['subject']} is being cancelled.", highlight=False)
        return
    from modelyard.registry.errors import RunEnded

    wanted = _run(run)
    if wanted.state is not RunState.RUNNING:
        raise RunEnded(f"The run {wanted.id} has ended: {wanted.state}.")
    orders = _runs()
    orders.cancel(_prefect_id(wanted))
    said = _settled(orders, _prefect_id(wanted))
    out.print(said or f"{wanted.subject} is being cancelled.", highlight=False)


def retry(ctx: typer.Context, run: Run) -> None:
    """Run again what failed, was cancelled or was interrupted."""
    if gateway := gateway_elsewhere(ctx):
        order = carried_out(gateway, _path(run, "retry"))
        out.print(f"{order['subject']} begins again; see `modelyard runs list`.", highlight=False)
        return
    from modelyard.registry.errors import RunEnded

    wanted = _run(run)
    if wanted.state in {RunState.RUNNING, RunState.COMPLETED}:
        raise RunEnded(f"The run {wanted.id} is {wanted.state}: there is nothing to repeat.")
    _runs().repeat(_prefect_id(wanted))
    out.print(f"{wanted.subject} begins again; see `modelyard runs list`.", highlight=False)


def _path(run: str, what: str) -> str:
    return f"/api/v1/runs/{quote(run, safe='')}/{what}"


def _run(wanted: str) -> "RunView":
    from modelyard.flows.context import open_context

    with open_context() as context:
        return context.board.named(wanted)


def _settled(orders: "RunOrders", run_id: str) -> str:
    """What became of a run whose process is dead, which cannot end it itself; "": it lives."""
    from modelyard.flows.context import open_context
    from modelyard.flows.prefect import address
    from modelyard.flows.runs.record import record_of

    with open_context() as context:
        record = record_of(context.registry.data_dir, run_id)
        if not record.file.exists() or not record.is_dead:
            return ""
        address.prepare(orders.server)
        from modelyard.flows.ingest.settling import settle

        return " ".join(settle(context))


def _prefect_id(run: "RunView") -> str:
    from modelyard.registry.errors import RunEnded

    if run.prefect_run_id is None:
        raise RunEnded(f"Prefect does not know the run {run.id}.", fix="End it where it runs.")
    return run.prefect_run_id


def _runs() -> "RunOrders":
    from modelyard.flows.errors import PrefectUnreachable
    from modelyard.flows.prefect import address
    from modelyard.flows.prefect.run_orders import RunOrders
    from modelyard.flows.settings import FlowSettings
    from modelyard.registry.settings import RegistrySettings, load

    settings = load(FlowSettings)
    login = settings.prefect_auth.get_secret_value()
    server = address.find(settings.prefect_url, login, load(RegistrySettings).data_dir)
    if server is None:
        raise PrefectUnreachable(
            "No Prefect server answers.",
            fix="Set PREFECT_API_URL to the one that the run is at, or start `modelyard up`.",
        )
    return RunOrders(server)
