"""Verifies that a callback came from the gateway, and is no old one that somebody repeats."""

from collections.abc import Mapping, Sequence
from typing import Any


class CallbackForged(Exception):
    """A callback has no signature by any of the secrets, or is older than five minutes."""


def verify_callback(
    secrets: str | Sequence[str], headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """The event of a callback: `type`, `timestamp` and `data`, the fields of the status answer.

    `secrets` are those of `GET /api/v1/callbacks/secrets` (`whsec_…`): while one is replaced, both.
    `body` has to be the bytes as they came. Raises CallbackForged. The header `webhook-id` is the
    same at each try of one callback: remember it to do its work once.
    """
    from standardwebhooks import Webhook, WebhookVerificationError

    plain = {name.lower(): value for name, value in headers.items()}
    reasons = list[str]()
    for secret in (secrets,) if isinstance(secrets, str) else secrets:
        try:
            return dict(Webhook(secret).verify(body, plain))
        except WebhookVerificationError as error:
            reasons.append(str(error))
    raise CallbackForged("; ".join(reasons) or "There is no secret to verify it by.")
