"""Signs a callback as Standard Webhooks has it; with two secrets while one replaces the other."""

from collections.abc import Sequence
from datetime import datetime

AGENT = "Modelyard-Callbacks/1"


def signed_headers(
    webhook_id: str, at: datetime, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    """All headers of one try: `secrets` are `whsec_` texts, `body` is UTF-8."""
    from standardwebhooks import Webhook

    text = body.decode()
    signatures = [Webhook(secret).sign(webhook_id, at, text) for secret in secrets]
    return {
        "content-type": "application/json",
        "user-agent": AGENT,
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
