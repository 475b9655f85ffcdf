"""A callback is believed only with a signature by one of the secrets, and while it is new."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from modelyard.serving.client import CallbackForged, verify_callback

OLD, NEW = (f"whsec_{base64.b64encode(byte * 24).decode()}" for byte in (b"o", b"n"))
BODY = json.dumps({"type": "request.completed", "data": {"request_id": "r1"}}).encode()


def headers(secret: str, at: datetime) -> dict[str, str]:
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", at, BODY.decode()),
    }


def test_a_callback_is_verified_with_either_secret() -> None:
    """While one replaces the other, both hold; names of headers have no case."""
    now = datetime.now(UTC)
    assert verify_callback(NEW, headers(NEW, now), BODY)["data"] == {"request_id": "r1"}
    assert verify_callback([NEW, OLD], headers(OLD, now), BODY)["type"] == "request.completed"


def test_what_is_forged_changed_or_old_is_refused() -> None:
    """Another's secret, another body, a time past, no header at all."""
    now = datetime.now(UTC)
    good = headers(NEW, now)
    past = headers(NEW, now - timedelta(minutes=10))
    for secret, told, body in (
        (OLD, good, BODY),
        (NEW, good, BODY + b" "),
        (NEW, past, BODY),
        (NEW, {}, BODY),
        ([], good, BODY),
    ):
        with pytest.raises(CallbackForged):
            verify_callback(secret, told, body)
