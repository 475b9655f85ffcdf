"""`modelyard dispatcher`: hands queued requests to engines, in a process apart from gateways."""

import json
from pathlib import Path
from typing import Annotated

import typer

from modelyard.registry.console import Commands, out

EXAMPLES = """
[bold]Examples[/bold]

  modelyard dispatcher                                 beside gateways with MODELYARD_DISPATCH=apart

  modelyard dispatcher --port 9200                     where Prometheus finds its /metrics
"""


def attach(commands: Commands) -> None:
    commands.root.command("dispatcher", epilog=EXAMPLES)(dispatcher)


def dispatcher(
    host: Annotated[str | None, typer.Option(help="Address to listen on; usual: loopback.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; usual, or 0: any free one.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help='Written as JSON {"url": …} once it dispatches.')
    ] = None,
) -> None:
    """Take requests from the queue as engines have room for them; start as many as you like."""
    from modelyard.registry.settings import RegistrySettings, load
    from modelyard.serving.dispatcher import run
    from modelyard.serving.settings import GatewaySettings

    given = {"host": host, "dispatcher_port": port}
    settings = load(GatewaySettings, **{k: v for k, v in given.items() if v is not None})

    def ready(url: str) -> None:
        out.print(f"Dispatcher on {url}", highlight=False)
        if ready_file is not None:
            draft = ready_file.with_name(f".{ready_file.name}.draft")
            draft.write_text(json.dumps({"url": url}))
            draft.replace(ready_file)

    run(settings, load(RegistrySettings), settings.host, ready)
