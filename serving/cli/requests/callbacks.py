"""`modelyard callbacks`: what was told to whom, once more, and what it is signed with."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import typer

from modelyard.registry.console import Commands, err, out, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable

EXAMPLES = """
[bold]Examples[/bold]

  modelyard callbacks list

  modelyard callbacks list --subject 6f1c1f8e-6d0f-4d3a-9a53-0a8f6f1f8a11    with each try

  modelyard callbacks resend msg_3f2a…                 for admins

  modelyard callbacks secrets make --json | jq -r .secret

  modelyard callbacks secrets list

  modelyard callbacks secrets end 0b7a1c52-7b2f-4c9e-8d1e-2f6a9c3b5d10

  modelyard callbacks addresses list

  modelyard callbacks addresses enable https://example.com/done
"""
PATH = "/api/v1/callbacks"

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    group = _group("What is told when requests and batches have ended.")
    group.command("list", epilog=EXAMPLES)(list_callbacks)
    group.command("resend", epilog=EXAMPLES)(resend)
    secrets = _group("What callbacks are signed with.")
    secrets.command("list", epilog=EXAMPLES)(list_secrets)
    secrets.command("make", epilog=EXAMPLES)(make_secret)
    secrets.command("end", epilog=EXAMPLES)(end_secret)
    addresses = _group("Where callbacks fail.")
    addresses.command("list", epilog=EXAMPLES)(list_addresses)
    addresses.command("enable", epilog=EXAMPLES)(enable_address)
    group.add_typer(secrets, name="secrets")
    group.add_typer(addresses, name="addresses")
    commands.root.add_typer(group, name="callbacks")


def list_callbacks(
    subject: Annotated[str, typer.Option(help="A request's or batch's id: its tries too.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="The most to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List callbacks, the latest first; an admin sees everybody's."""
    query = urlencode({"limit": limit, "subject": subject})
    found = _ask("GET", f"{PATH}?{query}")["callbacks"]
    if as_json:
        print_json(found)
        return
    rows = [
        (each["id"], each["kind"], each["state"], len(each["tries"]), _last(each["tries"]))
        for each in found
    ]
    columns = ("Callback", "Event", "State", "Tries", "Last")
    print_table(columns, rows, empty="No callback yet: `callback_url` of a request asks for one.")
    for each in found if subject else ():
        _show_tries(each["tries"])


def resend(
    callback: Annotated[str, typer.Argument(help="Its id, as the list shows.")],
    as_json: AsJson = False,
) -> None:
    """Send a callback again now, with the same webhook id; for admins."""
    sent = _ask("POST", f"/api/v1/admin/callbacks/{_in_path(callback)}/resend")
    if as_json:
        print_json(sent)
    else:
        out.print(f"{sent['id']} is sent again to {sent['url']}", highlight=False, markup=False)


def list_secrets(as_json: AsJson = False) -> None:
    """List one's signing secrets, without their texts."""
    found = _ask("GET", f"{PATH}/secrets")["secrets"]
    if as_json:
        print_json(found)
        return
    rows = [(each["id"], _time(each["created_at"]), _time(each["expires_at"])) for each in found]
    none = "No secret yet: `modelyard callbacks secrets make` makes one."
    print_table(("Secret", "Since", "Until"), rows, empty=none)


def make_secret(as_json: AsJson = False) -> None:
    """Make a signing secret and show it: this once; the ones before it sign along for a day."""
    made = _ask("POST", f"{PATH}/secrets")
    if as_json:
        print_json(made)
        return
    err.print("Shown this once; keep it safe:")
    out.print(made["secret"], highlight=False, soft_wrap=True)


def end_secret(secret: Annotated[str, typer.Argument(help="Its id, as the list shows.")]) -> None:
    """End a signing secret at once."""
    _ask("DELETE", f"{PATH}/secrets/{_in_path(secret)}")
    out.print("Ended.")


def list_addresses(as_json: AsJson = False) -> None:
    """List addresses that fail or are switched off; an admin sees everybody's."""
    found = _ask("GET", f"{PATH}/addresses")["addresses"]
    if as_json:
        print_json(found)
        return
    rows = [
        (each["url"], _time(each["failing_since"]), _time(each["disabled_at"]), each["reason"])
        for each in found
    ]
    columns = ("Address", "Fails since", "Off since", "Why")
    print_table(columns, rows, empty="No address fails.")


def enable_address(
    address: Annotated[str, typer.Argument(help="The URL; its query does not matter.")],
    user_id: Annotated[
        str | None, typer.Option(help="Whose address it is, for admins; else one's own.")
    ] = None,
) -> None:
    """Switch an address on again; callbacks that failed meanwhile stay failed."""
    change = {"url": address} | ({"user_id": user_id} if user_id else {})
    _ask("POST", f"{PATH}/addresses/enable", change)
    out.print("Switched on.")


def _group(about: str) -> typer.Typer:
    return typer.Typer(help=about, no_args_is_help=True)


def _ask(method: str, path: str, body: object = None) -> Any:
    from modelyard.serving.cli.connection import find

    return find().ask(method, path, body)


def _in_path(id_: str) -> str:
    """An id as one step of a path, whatever was typed."""
    return quote(id_, safe="")


def _show_tries(tries: "Iterable[dict[str, Any]]") -> None:
    rows = [
        (each["number"], _time(each["at"]), f"{each['duration_ms']:.0f} ms", _answer(each))
        for each in tries
    ]
    print_table(("Try", "At", "Took", "Answer"), rows, empty="It was not tried yet.")


def _last(tries: list[dict[str, Any]]) -> Any:
    """The last try's status; "none" where there was no answer."""
    return (tries[-1]["status"] or "none") if tries else ""


def _answer(one: dict[str, Any]) -> Any:
    return one["error"] or one["status"]


def _time(text: str | None) -> str:
    return f"{datetime.fromisoformat(text).astimezone():%m-%d %H:%M:%S}" if text else ""
