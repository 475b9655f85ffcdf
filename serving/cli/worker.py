"""`modelyard worker`: one supervisor for one device."""

from typing import Annotated

import typer

from modelyard.registry.console import Commands

EXAMPLES = """
[bold]Examples[/bold]

  modelyard worker                                     the first GPU, else the CPU

  modelyard worker --device gpu-1 --preload owner/model@champion

  modelyard worker --port 9100                         where Prometheus finds its /metrics
"""


def attach(commands: Commands) -> None:
    commands.root.command("worker", epilog=EXAMPLES)(worker)


def worker(
    device: Annotated[
        str, typer.Option(help="cpu-0, gpu-0 or a GPU's UUID; empty: the first GPU, else the CPU.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; usual, or 0: any free one.")
    ] = None,
    preload: Annotated[
        list[str] | None, typer.Option(help="A model to load at the start; may be repeated.")
    ] = None,
) -> None:
    """Load versions on one device when they are asked for, and keep their engines running."""
    from modelyard.registry.settings import RegistrySettings, load
    from modelyard.serving.worker.settings import WorkerSettings
    from modelyard.serving.worker.supervisor import run

    given = {"device": device or None, "worker_host": host or None, "worker_port": port}
    told = {name: value for name, value in given.items() if value is not None}
    run(load(WorkerSettings, **told), load(RegistrySettings), preload=preload or ())
