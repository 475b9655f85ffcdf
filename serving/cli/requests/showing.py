"""How requests are shown to people: lines of a table, one request, its progress, its result."""

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from modelyard.registry.catalog.plain_text import plain_text
from modelyard.registry.console import out, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelyard.serving.wire.admin.requests import (
        QueueLine,
        RequestDetail,
        RequestReply,
        RequestSummary,
    )

LONGEST = 1_000_000
"""Characters of an answer that are shown."""


def show_submitted(reply: "RequestReply") -> None:
    place = f", place {reply.queue_position}" if reply.queue_position else ""
    out.print(f"Request [bold]{reply.request_id}[/bold] is {reply.status}{place}.", highlight=False)
    if reply.estimated_completion_time and reply.status not in {"completed", "failed"}:
        begins = clock(reply.estimated_start_time)
        ends = clock(reply.estimated_completion_time)
        out.print(f"It is expected to begin at {begins} and to end at {ends}.", highlight=False)
    out.print(f"To wait for it: modelyard requests wait {reply.request_id}", highlight=False)


def show_list(requests: "Iterable[RequestSummary]") -> None:
    rows = [
        (
            each.request_id[:8],
            each.model_id,
            each.status,
            each.priority,
            f"{each.submission_time.astimezone():%m-%d %H:%M:%S}",
            f"{each.progress:.0%}",
        )
        for each in requests
    ]
    columns = ("Request", "Model", "Status", "Priority", "Submitted", "Done")
    print_table(columns, rows, empty="No request yet: `modelyard requests submit` makes one.")


def show_one(request: "RequestDetail") -> None:
    told = request.model_dump(mode="json", exclude={"result"})
    error = told.pop("error")
    lines = [(name, value) for name, value in told.items() if value not in (None, "", {})]
    if error:
        lines.append(("error", f"{error['code']}: {error['message']}"))
    print_table(("", request.model_id), lines, empty="")
    if request.result is not None:
        show_result(request.result)


def show_queue(lines: "Iterable[QueueLine]") -> None:
    rows = [
        (
            line.model_id,
            line.priority,
            line.waiting,
            line.processing,
            clock(line.oldest) if line.oldest else "",
        )
        for line in lines
    ]
    print_table(("Model", "Priority", "Waiting", "Running", "Since"), rows, empty="Nothing waits.")


def show_result(result: Any) -> None:
    """The text of an answer that is one, else the whole as JSON."""
    text = _text(result)
    shown = plain_text(text, LONGEST) if text else json.dumps(result, indent=2)
    sys.stdout.write(f"{shown}\n")


def progress_line(request: "RequestDetail") -> str:
    """One short line of where a request is."""
    if request.queue_position:
        begins = request.estimated_start_time
        expected = f", expected to begin at {clock(begins)}" if begins else ""
        return f"{request.status}, place {request.queue_position}{expected}"
    return f"{request.status} {request.progress:.0%}"


def clock(time: datetime | None) -> str:
    return f"{time.astimezone():%H:%M:%S}" if time else "?"


def _text(result: Any) -> str:
    """What a completion says; empty where the result is none."""
    try:
        choice = result["choices"][0]
        return str(choice["message"]["content"] if "message" in choice else choice["text"])
    except (KeyError, IndexError, TypeError):
        return ""
