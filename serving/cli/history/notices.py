"""`modelyard notices`: what happens, as it happens, through the gateway."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.registry.console import Commands, err
from modelyard.registry.notices.notice import Topic

if TYPE_CHECKING:
    import httpx2

    from modelyard.serving.cli.connection import GatewayConnection

EXAMPLES = """
[bold]Examples[/bold]

  modelyard notices                                    all that you may see; Ctrl-C ends it

  modelyard notices --topic runs --topic alerts

  modelyard notices --after 0 --json | jq -r .kind     from the oldest that is kept
"""
PATH = "/api/v1/notices"
SILENT_S = 60.0
"""Seconds without a sign of the gateway until it is asked anew; one comes four times as often."""

PAUSE_S = 1.0


def attach(commands: Commands) -> None:
    commands.root.command("notices", epilog=EXAMPLES)(notices)


def notices(
    topic: Annotated[
        list[Topic] | None, typer.Option(help="Only this topic; may be given several times.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Go on after the notice of this id.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each as a line of JSON.")] = False,
) -> None:
    """Show runs, devices and alerts as they change, until Ctrl-C."""
    from modelyard.serving.cli.connection import find

    with suppress(KeyboardInterrupt):
        for notice in _follow(find(), topic or [], after):
            if as_json:
                line = json.dumps(notice)
            elif notice["topic"]:
                line = notice_line(notice)
            else:  # about the connection itself
                _say(notice)
                continue
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def _follow(
    gateway: "GatewayConnection", topics: list[Topic], after: int | None
) -> Iterator[dict[str, Any]]:
    """Every notice once, over as many connections as it takes; a gateway that is away is awaited.

    Raises GatewayAway where the first connection fails, and what the gateway refuses.
    """
    from modelyard.serving.cli.connection import GatewayAway

    is_first = True
    while True:
        try:
            for notice in _stream(gateway, topics, after):
                after = notice["id"]
                if notice["kind"] != "connected" or is_first:
                    yield notice
                is_first = False
        except GatewayAway:
            if is_first:
                raise
        time.sleep(PAUSE_S)


def _stream(
    gateway: "GatewayConnection", topics: list[Topic], after: int | None
) -> Iterator[dict[str, Any]]:
    """The notices of one connection."""
    from modelyard.serving.cli.connection import check

    with gateway.client() as client:
        issued = client.post(f"{PATH}/tickets", json={"topics": topics})
        check(issued)
        query = {"ticket": issued.json()["ticket"]} | ({} if after is None else {"after": after})
        with client.stream("GET", f"{PATH}/stream", params=query, timeout=SILENT_S) as answer:
            if not answer.is_success:
                answer.read()
                check(answer)
            yield from _events(answer)


def _events(answer: "httpx2.Response") -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "data":
            yield json.loads(value)


def _say(notice: dict[str, Any]) -> None:
    reason = notice["data"].get("reason")
    about = reason or f"Listening, from notice {notice['id']} on. Ctrl-C ends it."
    err.print(about, style="yellow" if reason else "dim", highlight=False)


def notice_line(notice: dict[str, Any]) -> str:
    """Time, id, kind and the facts that are there; one line, whatever the facts are."""
    at = notice["time"][11:19]
    facts = " ".join(
        f"{name}={_plain(value)}"
        for name, value in notice["data"].items()
        if value not in (None, "", 0)
    )
    return f"{at} {notice['id']:>6} {notice['kind']} {facts}"


def _plain(value: object) -> str:
    """A value without control characters, in quotes where it has spaces."""
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)
