"""`modelyard models unload`: takes a version out of the devices' memory."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.registry.console import Commands, out

if TYPE_CHECKING:
    from modelyard.serving.cli.connection import GatewayConnection
    from modelyard.serving.cli.context import InstallationContext

EXAMPLES = """
[bold]Examples[/bold]

  modelyard models unload owner/model                  from every device

  modelyard models unload owner/model@2 --device gpu-0

Requests that run may finish; the next request for it loads it again.
"""


def attach(commands: Commands) -> None:
    commands.models.command("unload", epilog=EXAMPLES)(unload)


def unload(
    model: Annotated[str, typer.Argument(help="model, model@alias or model@version.")],
    device: Annotated[str, typer.Option(help="Only there: an id, index or name.")] = "",
) -> None:
    """Free the memory that a version takes; what is registered stays."""
    from modelyard.serving.cli.connection import elsewhere
    from modelyard.serving.cli.fleet.devices import device_named

    only = device_named(device) if device else None
    gateway = elsewhere()
    ref, freed = _unloaded_there(gateway, model, only) if gateway else _unloaded_here(model, only)
    if freed:
        out.print(f"{ref} is unloaded from {', '.join(freed)}.", highlight=False)
    else:
        out.print(f"{ref} is not loaded.", highlight=False)


def _unloaded_there(
    gateway: "GatewayConnection", model: str, only: str | None
) -> tuple[str, list[str]]:
    """The version, and the devices whose workers let it go."""
    told = gateway.ask("POST", "/api/v1/admin/unloads", {"model": model, "device": only or ""})
    return f"{told['model']}@{told['number']}", told["devices"]


def _unloaded_here(model: str, only: str | None) -> tuple[str, list[str]]:
    from modelyard.registry.catalog.model import ModelRef
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        version = registry.catalog.find(ModelRef.parse(model))
        return version.ref, asyncio.run(_unloaded(registry, version.id, only))


async def _unloaded(
    registry: "InstallationContext", version_id: str, only: str | None
) -> list[str]:
    from modelyard.registry.identity.identity import internal_token, secret_key
    from modelyard.registry.settings import load
    from modelyard.serving.routing.fleet.unloading import Unloading
    from modelyard.serving.settings import FleetSettings
    from modelyard.serving.upstream.client import Upstream

    timeout_s = load(FleetSettings).load_timeout_s
    token = internal_token(secret_key(registry.settings))
    async with Upstream.open(token, silent_s=timeout_s) as upstream:
        return await Unloading(registry.fleet, upstream, timeout_s).unload(version_id, only)
