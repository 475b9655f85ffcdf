"""`modelyard models unload`: takes a version out of the devices' memory."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.registry.console import Commands, out

if TYPE_CHECKING:
    from modelyard.registry.catalog.model import ModelVersion
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
    from modelyard.registry.catalog.model import ModelRef
    from modelyard.serving.cli.context import installation
    from modelyard.serving.cli.fleet.devices import device_named

    with installation() as registry:
        version = registry.catalog.find(ModelRef.parse(model))
        only = device_named(device) if device else None
        freed = asyncio.run(_unloaded(registry, version, only))
    if freed:
        out.print(f"{version.ref} is unloaded from {', '.join(freed)}.", highlight=False)
    else:
        out.print(f"{version.ref} is not loaded.", highlight=False)


async def _unloaded(
    registry: "InstallationContext", version: "ModelVersion", only: str | None
) -> list[str]:
    """The devices whose workers let it go."""
    from modelyard.registry.identity.identity import internal_token, secret_key
    from modelyard.registry.settings import load
    from modelyard.serving.settings import FleetSettings
    from modelyard.serving.upstream.client import Upstream

    engines = [e for e in registry.fleet.engines() if e.version_id == version.id]
    wanted = {engine.device_id for engine in engines if only in (None, engine.device_id)}
    workers = [worker for worker in registry.fleet.workers() if worker.device_id in wanted]
    timeout_s = load(FleetSettings).load_timeout_s
    token = internal_token(secret_key(registry.settings))
    async with Upstream.open(token, silent_s=timeout_s) as upstream:
        for worker in workers:
            await upstream.unload(worker, version.id, timeout_s=timeout_s)
    return [worker.device_id for worker in workers]
