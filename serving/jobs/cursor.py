"""The opaque place in a list of requests or batches from which its next page goes on."""

import base64
import binascii
from datetime import UTC, datetime

from modelyard.registry.jobs.book import Cursor
from modelyard.serving.errors import InvalidRequest

LONGEST = 200
LONGEST_ID = 50


def write_cursor(cursor: Cursor) -> str:
    at, last_id = cursor
    return base64.urlsafe_b64encode(f"{at.isoformat()} {last_id}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor | None:
    """The place; None for an empty text. Raises InvalidRequest for one that was never given."""
    if not text:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        at, _, last_id = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(" ")
        )
        when = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        raise _refused() from None
    if when.tzinfo is None or not 0 < len(last_id) <= LONGEST_ID or "\0" in last_id:
        raise _refused()
    return when.astimezone(UTC), last_id


def _refused() -> InvalidRequest:
    return InvalidRequest(
        "'cursor' is none that was given.",
        param="cursor",
        fix="Send `next_cursor` of the page before, or leave it out for the first page.",
    )
