"""Rows of usage for tests."""

import time

from msgspec.structs import replace

from modelyard.registry.billing.usage import LOST, UsageRecord
from modelyard.serving.metering.ids import new_id

ROW = UsageRecord(
    id="",
    request_id="r",
    at=0,
    user_id="u",
    model="owner/talker",
    version_id="v",
    device_id="cpu-0",
    route="/v1/chat/completions",
    status="200",
    prompt_tokens=10,
    cached_tokens=4,
    output_tokens=5,
    first_byte_ms=1.5,
    total_ms=2.5,
)


def row(**facts: object) -> UsageRecord:
    """A request of just now; every one has an id of its own."""
    return replace(ROW, **({"id": new_id(), "at": int(time.time() * 1000)} | facts))


def lost(**facts: object) -> UsageRecord:
    """A request as it is reserved."""
    return row(status=LOST, first_byte_ms=None, output_tokens=256, **facts)
