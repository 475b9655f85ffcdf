"""`modelyard up`: everything on one machine under one supervisor, until Ctrl-C."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from modelyard.registry.console import Commands
from modelyard.registry.errors import NotInstalled, how_to_install

EXAMPLES = """
[bold]Examples[/bold]

  modelyard up                              everything, on http://127.0.0.1:8080

  modelyard up --port 0 --ready-file r.json any free ports; r.json tells which

  modelyard up --demo                       with the bundled model, ingested and served
"""


def attach(commands: Commands) -> None:
    commands.root.command(epilog=EXAMPLES)(up)


def up(
    data: Annotated[Path | None, typer.Option(help="Folder of everything that is kept.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The gateway's; 0: any free.")] = 8080,
    dashboard_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Usual: 8501, or any free one.")
    ] = None,
    prefect_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Usual: 4200, or any free one.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address of gateway and dashboard; 0.0.0.0 in a container.")
    ] = "127.0.0.1",
    ready_file: Annotated[
        Path | None, typer.Option(help="Written as JSON once everything answers.")
    ] = None,
    with_demo: Annotated[
        bool, typer.Option("--demo", help="Serve the bundled Hub and ingest its model.")
    ] = False,
    once: Annotated[bool, typer.Option(help="With --demo: end after the first answer.")] = False,
) -> None:
    """Start gateway, workers, Prefect with the served flows, and the dashboard; Ctrl-C ends all."""
    folder = data or (_demo_folder() if with_demo else None)
    if folder is not None:
        os.environ["MODELYARD_DATA_DIR"] = str(folder.expanduser().absolute())
    _check_installed()
    from modelyard.serving.cli.up.everything import UpOptions, run_until_ended

    told = ready_file.expanduser().absolute() if ready_file else None
    run_until_ended(
        UpOptions(
            port=port,
            dashboard_port=dashboard_port,
            prefect_port=prefect_port,
            ready_file=told,
            host=host,
            demo=with_demo,
            once=once,
        )
    )


def _demo_folder() -> Path | None:
    """The demo keeps its data apart from other models, unless settings name a folder."""
    from modelyard.registry.settings import RegistrySettings, load
    from modelyard.serving.cli.up.demo import FOLDER

    is_named = "data_dir" in load(RegistrySettings).model_fields_set
    return None if is_named else FOLDER


def _check_installed() -> None:
    missing = [
        extra
        for extra, module in (
            ("gguf", "llama_cpp"),
            ("flows", "prefect"),
            ("dashboard", "streamlit"),
        )
        if find_spec(module) is None
    ]
    if missing:
        raise NotInstalled(
            f"`modelyard up` needs parts that are not installed: {', '.join(missing)}.",
            fix=f"{how_to_install(*missing)} Or start single services.",
        )
