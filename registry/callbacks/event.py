"""What a callback says: the bytes that are stored once, signed and sent at every try."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

MOST_BYTES = 20_000
"""A body with more leaves its result out; the standard asks for small ones."""


def event_body(kind: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """`{"type", "timestamp", "data"}` as JSON; `data` are the fields of the status answer.

    Where it has more than MOST_BYTES, `data.result` is null and `data.result_omitted` true: the
    whole result is at GET /api/v1/requests/{id}.
    """
    whole = _encoded(kind, at, data)
    if len(whole) <= MOST_BYTES or data.get("result") is None:
        return whole
    return _encoded(kind, at, {**data, "result": None, "result_omitted": True})


def _encoded(kind: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"type": kind, "timestamp": at, "data": data})
