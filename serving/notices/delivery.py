"""A notice as listeners get it: encoded once, however many they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from modelyard.registry.notices.notice import Notice

CONNECTED = "connected"
LAGGING = "lagging"
"""Kinds of what the gateway says about the connection itself; these have no topic."""


class NoticeMessage(msgspec.Struct, frozen=True):
    """The JSON of a notice; `id` is where a listener that comes again goes on."""

    id: int
    topic: str
    kind: str
    time: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice for the WebSocket (`text`) and for the event stream (`event`)."""

    id: int
    text: str
    event: bytes

    @classmethod
    def of(cls, notice: Notice) -> "Delivery":
        message = NoticeMessage(notice.id, notice.topic, notice.kind, notice.at, notice.data)
        return cls._encoded(message)

    @classmethod
    def about_connection(cls, kind: str, last_id: int, **data: Any) -> "Delivery":
        """What the gateway says of the connection itself, with the id to come again with."""
        return cls._encoded(NoticeMessage(last_id, "", kind, datetime.now(UTC), data))

    @classmethod
    def _encoded(cls, message: NoticeMessage) -> "Delivery":
        body = msgspec.json.encode(message)
        event = b"id: %d\nevent: %b\ndata: %b\n\n" % (message.id, message.kind.encode(), body)
        return cls(message.id, body.decode(), event)
