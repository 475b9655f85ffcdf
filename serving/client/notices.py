"""Notices as a program hears them, and how a stream of them is asked for and read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modelyard.serving.client.asking import Conversation, Question, ask

PATH = "/api/v1/notices"
SILENT_S = 60.0
"""Seconds without a sign of the gateway until it is asked anew; one comes four times as often."""

COME_AGAIN_S = 1.0
"""Seconds until a stream that ended is asked for again."""


@dataclass(frozen=True, slots=True)
class HeardNotice:
    """One notice; `topic` is empty where the gateway speaks of the connection itself.

    A larger `id` is later. With `data` go the facts of its `kind`, as docs/notices.md lists them.
    """

    id: int
    topic: str
    kind: str
    time: datetime
    data: dict[str, Any] = field(hash=False)


@dataclass(slots=True)
class Listening:
    """A place in the stream of notices: the topics, and the id of the last one heard."""

    topics: Sequence[str]
    after: int | None

    def ticket(self, most_tries: int) -> Conversation[dict[str, str]]:
        """The query of a stream that goes on where this one is; a ticket lets in once."""
        body = {"topics": list(self.topics)}
        question = Question(method="POST", path=f"{PATH}/tickets", body=body)
        answer = yield from ask(question, most_tries)
        query = {"ticket": str(answer.json()["ticket"])}
        return query if self.after is None else {**query, "after": str(self.after)}

    def heard(self, line: str) -> HeardNotice | None:
        """The notice that a line of the stream holds; None of lines that hold none."""
        name, _, value = line.partition(": ")
        if name != "data":
            return None
        told = json.loads(value)
        self.after = int(told["id"])
        at = datetime.fromisoformat(told["time"])
        return HeardNotice(self.after, told["topic"], told["kind"], at, told["data"])


def is_about(notice: HeardNotice, request_id: str) -> bool:
    """Whether a look at the request may show something new: at first, and when it is told of."""
    return not notice.topic or request_id in notice.data.values()
