"""Whether a request carries the one credential that a server of ours asks for."""

import base64
import hmac
from collections.abc import Iterable

RawHeaders = Iterable[tuple[bytes, bytes]]
"""As ASGI gives them: names in lower case."""


def bearer(token: str) -> bytes:
    return f"Bearer {token}".encode()


def basic(login: str) -> bytes:
    """The header of a login that is written `name:password`."""
    return b"Basic " + base64.b64encode(login.encode())


def carries(headers: RawHeaders, *credentials: bytes) -> bool:
    """Whether the header Authorization is one of these, in a time that tells nothing of them."""
    given = next((value for name, value in headers if name == b"authorization"), b"")
    found = False
    for credential in credentials:  # all of them, whichever it was
        found |= hmac.compare_digest(given, credential)
    return found
