"""`modelyard batches`: files of requests by OpenAI's Batch API, done when the devices are free."""

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.registry.console import Commands, err, out, print_json, print_table

if TYPE_CHECKING:
    from modelyard.serving.client import Modelyard

EXAMPLES = """
[bold]Examples[/bold]

  modelyard batches create requests.jsonl --wait

  modelyard batches list

  modelyard batches show batch_3f2a…

  modelyard batches wait batch_3f2a… && modelyard batches output batch_3f2a… > answers.jsonl

  modelyard batches output batch_3f2a… --errors

  modelyard batches cancel batch_3f2a…

A line of the file: {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {…}}
"""
LOOK_EVERY_S = 2.0

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
TheBatch = Annotated[str, typer.Argument(help="Its id, as the list shows.")]


def attach(commands: Commands) -> None:
    group = typer.Typer(help="Files of many requests.", no_args_is_help=True)
    commands.root.add_typer(group, name="batches")
    group.command("create", epilog=EXAMPLES)(create)
    group.command("list", epilog=EXAMPLES)(list_batches)
    group.command("show", epilog=EXAMPLES)(show)
    group.command("wait", epilog=EXAMPLES)(wait)
    group.command("cancel", epilog=EXAMPLES)(cancel)
    group.command("output", epilog=EXAMPLES)(output)


def create(
    file: Annotated[Path, typer.Argument(help="One request a line, as JSON.")],
    endpoint: Annotated[str, typer.Option(help="The path that every line is for.")] = (
        "/v1/chat/completions"
    ),
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hand a file of requests in."""
    from modelyard.serving.cli.requests.gateway import gateway_client

    with gateway_client() as client:
        with file.open("rb") as lines:
            file_id = client.upload(lines, file.name)
        batch = client.create_batch(file_id, endpoint)
        if wait:
            batch = _waited(client, batch["id"])
    if as_json:
        print_json(batch)
    elif wait:
        out.print(f"{batch['id']} is {_line(batch)}.", highlight=False)
    else:
        out.print(f"Batch [bold]{batch['id']}[/bold] is {batch['status']}.", highlight=False)
        out.print(f"To wait for it: modelyard batches wait {batch['id']}", highlight=False)


def list_batches(
    limit: Annotated[int, typer.Option(min=1, max=100, help="The most to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List batches, the latest first."""
    from modelyard.serving.cli.requests.gateway import gateway_client

    with gateway_client() as client:
        found = client.list_batches(limit)["data"]
    if as_json:
        print_json(found)
        return
    rows = [
        (each["id"], each["status"], _counts(each), _time(each["created_at"])) for each in found
    ]
    columns = ("Batch", "Status", "Done", "Since")
    print_table(columns, rows, empty="No batch yet: `modelyard batches create FILE` makes one.")


def show(batch: TheBatch, as_json: AsJson = False) -> None:
    """Show one batch, and what is wrong with its file where something is."""
    from modelyard.serving.cli.requests.gateway import gateway_client

    with gateway_client() as client:
        found = client.get_batch(batch)
    if as_json:
        print_json(found)
        return
    lines = [(name, _shown(name, value)) for name, value in found.items() if value is not None]
    print_table(("", found["status"]), lines, empty="")


def wait(batch: TheBatch, as_json: AsJson = False) -> None:
    """Wait until a batch has ended."""
    from modelyard.serving.cli.requests.gateway import gateway_client

    with gateway_client() as client:
        ended = _waited(client, batch)
    if as_json:
        print_json(ended)
    else:
        out.print(f"{ended['id']} is {_line(ended)}.", highlight=False)


def cancel(batch: TheBatch) -> None:
    """End a batch: what is done stays, the rest is not begun."""
    from modelyard.serving.cli.requests.gateway import gateway_client

    with gateway_client() as client:
        found = client.cancel_batch(batch)
    out.print(f"{found['id']} is {_line(found)}.", highlight=False)


def output(
    batch: TheBatch,
    errors: Annotated[bool, typer.Option("--errors", help="Of those that failed.")] = False,
) -> None:
    """Print what came of a batch so far, an answer a line."""
    from modelyard.serving.cli.requests.gateway import gateway_client

    with gateway_client() as client:
        file_id = client.get_batch(batch)["error_file_id" if errors else "output_file_id"]
        for line in client.content(file_id) if file_id else ():
            sys.stdout.write(f"{line}\n")


def _waited(client: "Modelyard", batch_id: str) -> dict[str, Any]:
    """The batch at its end; raises WorkFailed where it is not completed, and StillGoesOn."""
    from modelyard.serving.cli.requests.gateway import WorkFailed, waiting_for
    from modelyard.serving.client.batch_questions import BATCH_ENDS

    found = client.get_batch(batch_id)
    with (
        waiting_for(f"modelyard batches wait {batch_id}", f"Batch {batch_id}"),
        err.status(_line(found)) as line,
    ):
        while found["status"] not in BATCH_ENDS:
            time.sleep(LOOK_EVERY_S)
            found = client.get_batch(batch_id)
            line.update(_line(found))
    if found["status"] != "completed":
        raise WorkFailed(f"Batch {batch_id} is {_line(found)}.", fix="`modelyard batches show` it.")
    return found


def _line(batch: dict[str, Any]) -> str:
    return f"{batch['status']}, {_counts(batch)}"


def _counts(batch: dict[str, Any]) -> str:
    counts = batch.get("request_counts") or {"total": 0, "completed": 0, "failed": 0}
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{counts['completed']} of {counts['total']}{failed}"


def _shown(name: str, value: Any) -> Any:
    return _time(value) if name.endswith("_at") and isinstance(value, int) else value


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%m-%d %H:%M:%S}"
