"""`modelyard models promote`: prepares a version with the workers, then moves the alias.

Ctrl-C leaves the alias where it is; the gateway need not run.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from modelyard.registry.console import Commands, err, out

if TYPE_CHECKING:
    from modelyard.serving.cli.connection import GatewayConnection
    from modelyard.serving.cli.context import InstallationContext
    from modelyard.serving.routing.fleet.promoter import PromotionRequest, PromotionResult
    from modelyard.serving.settings import FleetSettings

EXAMPLES = """
[bold]Examples[/bold]

  modelyard models promote owner/model                   the candidate becomes champion

  modelyard models promote owner/model@2                 version 2 becomes champion

  modelyard models promote owner/model@2 --alias stable  any other alias

  modelyard models promote owner/model@1 --no-wait       at once, loaded or not
"""

LONGEST_WAIT_S = 7200
"""Seconds that anybody may let a promotion wait."""

Ref = Annotated[str, typer.Argument(help="model, model@alias or model@version.")]


def attach(commands: Commands) -> None:
    commands.models.command("promote", epilog=EXAMPLES)(promote)


def promote(
    model: Ref,
    alias: Annotated[str, typer.Option(help="The alias to point at it.")] = "champion",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Until the version answers, within a bound.")
    ] = True,
    wait_s: Annotated[
        float | None,
        typer.Option(min=1, max=LONGEST_WAIT_S, help="That bound in seconds; else as it is set."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Even where it cannot be loaded.")] = False,
) -> None:
    """Point an alias at a version once that answers: `model` alone means its candidate."""
    from modelyard.serving.cli.connection import elsewhere

    if gateway := elsewhere():
        wanted = {"model": model, "alias": alias, "wait": wait, "wait_s": wait_s, "force": force}
        _ask(gateway, wanted)
    else:
        _promote_here(model, alias, wait=wait, wait_s=wait_s, force=force)


def _ask(gateway: "GatewayConnection", wanted: dict[str, Any]) -> None:
    """Have a gateway elsewhere do it; it answers when the alias has moved."""
    address = "/api/v1/admin/promotions"
    reply = gateway.ask("POST", address, wanted, wait_s=LONGEST_WAIT_S + 60)
    out.print(f"[bold]{reply['model']}@{reply['number']}[/bold] is {reply['alias']} now.")
    _say(reply["message"])


def _promote_here(model: str, alias: str, *, wait: bool, wait_s: float | None, force: bool) -> None:
    from modelyard.registry.catalog.model import ModelRef
    from modelyard.registry.settings import load
    from modelyard.serving.cli.context import installation
    from modelyard.serving.routing.fleet.promoter import PromotionRequest
    from modelyard.serving.settings import FleetSettings

    settings = load(FleetSettings)
    ref = ModelRef.parse_promoted(model)
    with installation() as registry:
        bound = (wait_s or settings.promotion_wait_s) if wait else 0.0
        wanted = PromotionRequest(registry.catalog.find(ref), alias, bound, force=force)
        done = asyncio.run(_carried_out(registry, settings, wanted))
        out.print(f"[bold]{done.version.ref}[/bold] is {alias} now.", highlight=False)
        _say(done.message)
        _tell_mlflow(registry, done.version.model)


async def _carried_out(
    registry: "InstallationContext", settings: "FleetSettings", wanted: "PromotionRequest"
) -> "PromotionResult":
    from modelyard.registry.identity.identity import internal_token, secret_key
    from modelyard.serving.routing.fleet.asking import WorkerQuestion
    from modelyard.serving.routing.fleet.promoter import Promoter
    from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
    from modelyard.serving.upstream.client import Upstream

    token = internal_token(secret_key(registry.settings))
    ask = WorkerQuestion(token).ask
    snapshots = FleetSnapshotCache(registry.fleet, settings.worker_alive_s, ask=ask)
    async with Upstream.open(token, silent_s=settings.load_timeout_s) as upstream:
        promoter = Promoter(registry.database, snapshots, upstream, settings.load_timeout_s)
        return await promoter.promote(wanted, _say)


def _say(message: str) -> None:
    """To people: what a program reads of this command is its exit code."""
    err.print(escape(message), highlight=False)


def _tell_mlflow(registry: "InstallationContext", model: str) -> None:
    """MLflow keeps the same aliases; where it does not answer it is told later."""
    from modelyard.registry.mlflow.aliases import MlflowAliases
    from modelyard.registry.mlflow.mirror import MlflowRegistry

    aliases = MlflowAliases(registry.database, MlflowRegistry(registry.settings.mlflow))
    if problem := aliases.tell(model):
        err.print(f"[yellow]Note:[/yellow] {escape(problem)}", highlight=False)
