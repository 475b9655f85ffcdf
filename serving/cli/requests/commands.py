"""`modelyard requests`: work that is handed in, and fetched whenever it is done."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelyard.registry.console import Commands, err, out, print_json
from modelyard.registry.jobs.job import JobType
from modelyard.serving.cli.requests.payload import payload_of

if TYPE_CHECKING:
    from modelyard.serving.client import Modelyard, WorkFields
    from modelyard.serving.client.fields import ListFilter
    from modelyard.serving.wire.admin.requests import RequestDetail

SUBMIT_EXAMPLES = """
[bold]Examples[/bold]

  modelyard requests submit owner/model "Why is the sky blue?" --wait

  modelyard requests submit owner/model --payload body.json --priority 5 --timeout 600

  modelyard requests submit owner/model --type training --payload - < parameters.json

It goes on whether or not somebody waits; `modelyard requests wait ID` fetches what came of it.
"""
EXAMPLES = """
[bold]Examples[/bold]

  modelyard requests list --status processing

  modelyard requests show 3f2a                         by the beginning of its id

  modelyard requests wait 3f2a --json | jq .result

  modelyard requests cancel 3f2a

  modelyard requests queue
"""
MOST = 500
"""The latest requests among which the beginning of an id is looked for."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
TheRequest = Annotated[str, typer.Argument(help="Its id, or as much of it as is clear.")]


def attach(commands: Commands) -> None:
    group = typer.Typer(help="Requests that outlive a connection.", no_args_is_help=True)
    commands.root.add_typer(group, name="requests")
    group.command("submit", epilog=SUBMIT_EXAMPLES)(submit)
    group.command("list", epilog=EXAMPLES)(list_requests)
    group.command("show", epilog=EXAMPLES)(show)
    group.command("wait", epilog=EXAMPLES)(wait)
    group.command("cancel", epilog=EXAMPLES)(cancel)
    group.command("queue", epilog=EXAMPLES)(queue)


def submit(
    model: Annotated[str, typer.Argument(help="model, model@alias or model@version.")],
    prompt: Annotated[str | None, typer.Argument(help="One message, or a text to embed.")] = None,
    payload: Annotated[
        Path | None, typer.Option(help="File with the body as JSON; -: standard input.")
    ] = None,
    kind: Annotated[JobType, typer.Option("--type", help="What is to be done.")] = (
        JobType.INFERENCE
    ),
    priority: Annotated[int, typer.Option(min=1, max=5, help="5 is the most urgent.")] = 3,
    timeout: Annotated[
        float, typer.Option(min=0.001, max=604_800, help="Seconds from now until it has failed.")
    ] = 600.0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer.")] = None,
    callback_url: Annotated[str | None, typer.Option(help="Is told once when it ends.")] = None,
    request_id: Annotated[
        str | None, typer.Option("--id", help="UUID; the same again is the same request.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for it, and show the result.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hand work in; it is done whether or not this command is still there."""
    from modelyard.serving.cli.requests.gateway import gateway_client
    from modelyard.serving.cli.requests.showing import show_submitted

    body = payload_of(kind, prompt, payload, max_tokens)
    fields = _fields(callback_url, request_id)
    fields |= {"type": kind.value, "priority": priority, "timeout": round(timeout * 1000)}
    with gateway_client() as client:
        reply = client.submit(model, body, **fields)
        if wait:
            _waited(client, reply.request_id, None, as_json=as_json)
        elif as_json:
            print_json(reply.model_dump(mode="json"))
        else:
            show_submitted(reply)


def _fields(callback_url: str | None, request_id: str | None) -> "WorkFields":
    """Those of what is given."""
    fields: WorkFields = {}
    if callback_url is not None:
        fields["callback_url"] = callback_url
    if request_id is not None:
        fields["request_id"] = request_id
    return fields


def list_requests(
    status: Annotated[str | None, typer.Option(help="Only these, such as failed.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="The most to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List requests, the latest first; an admin sees everybody's."""
    from modelyard.serving.cli.requests.gateway import gateway_client
    from modelyard.serving.cli.requests.showing import show_list

    wanted: ListFilter = {}
    if status is not None:
        wanted["status"] = status
    if model is not None:
        wanted["model"] = model
    with gateway_client() as client:
        found = [*client.list(limit, **wanted)]
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    else:
        show_list(found)


def show(request: TheRequest, as_json: AsJson = False) -> None:
    """Show one request with all that is known of it, and its result."""
    from modelyard.serving.cli.requests.gateway import gateway_client
    from modelyard.serving.cli.requests.showing import show_one

    with gateway_client() as client:
        found = client.get(_named(client, request))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show_one(found)


def wait(
    request: TheRequest,
    most_s: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Seconds to wait; the request goes on.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a request has ended, and show its result."""
    from modelyard.serving.cli.requests.gateway import gateway_client

    with gateway_client() as client:
        _waited(client, _named(client, request), most_s, as_json=as_json)


def cancel(request: TheRequest) -> None:
    """End a request that has not ended; its work on a device stops."""
    from modelyard.serving.cli.requests.gateway import gateway_client

    with gateway_client() as client:
        cancelled = client.cancel(_named(client, request))
    out.print(cancelled.message or f"{cancelled.request_id} is cancelled.", highlight=False)


def queue(as_json: AsJson = False) -> None:
    """Show what waits and what runs, by model and priority."""
    from modelyard.serving.cli.requests.gateway import gateway_client
    from modelyard.serving.cli.requests.showing import show_queue

    with gateway_client() as client:
        found = client.queue()
    if as_json:
        print_json(found.model_dump(mode="json")["queue"])
    else:
        show_queue(found.queue)


def _waited(client: "Modelyard", request_id: str, most_s: float | None, *, as_json: bool) -> None:
    """Show how far it is until it has ended, then what came of it."""
    from modelyard.serving.cli.requests.gateway import WorkFailed, waiting_for
    from modelyard.serving.cli.requests.showing import show_result

    with waiting_for(f"modelyard requests wait {request_id}", f"Request {request_id}"):
        ended = _followed(client, request_id, most_s)
    if as_json:
        print_json(ended.model_dump(mode="json"))
    elif ended.result is not None:
        show_result(ended.result)
    if ended.status != "completed":
        why = f"{ended.error.code}: {ended.error.message}" if ended.error else ""
        raise WorkFailed(f"Request {request_id} is {ended.status}. {why}".strip())


def _followed(client: "Modelyard", request_id: str, most_s: float | None) -> "RequestDetail":
    """The request at its end; a terminal sees meanwhile where it is. Raises NotInTime."""
    from modelyard.serving.cli.requests.gateway import NotInTime
    from modelyard.serving.cli.requests.showing import progress_line

    if most_s is not None:
        try:
            return client.wait(request_id, most_s)
        except TimeoutError as error:
            again = f"modelyard requests wait {request_id}"
            raise NotInTime(str(error), fix=f"To wait for it again: {again}") from None
    found = client.get(request_id)
    with err.status(progress_line(found)) as line:
        for found in client.follow(request_id):
            line.update(progress_line(found))
    return found


def _named(client: "Modelyard", wanted: str) -> str:
    """The whole id of one's request; raises RequestUnclear where none or several begin so."""
    from modelyard.serving.cli.requests.gateway import RequestUnclear

    if len(wanted) == 36:
        return wanted
    found = [each.request_id for each in client.list(MOST) if each.request_id.startswith(wanted)]
    if len(found) != 1:
        raise RequestUnclear(
            f"Of the latest {MOST} requests {len(found)} begin with '{wanted[:40]}'.",
            fix="`modelyard requests list --json` has the whole ids.",
        )
    return found[0]
