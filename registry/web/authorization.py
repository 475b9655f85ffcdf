"""Checks a request for the credential that a server requires."""

import base64
import hmac
from collections.abc import Iterable

RawHeaders = Iterable[tuple[bytes, bytes]]
"""Header names and values as in ASGI, with names in lower case."""


def bearer(token: str) -> bytes:
    return f"Bearer {token}".encode()


def basic(login: str) -> bytes:
    """The Authorization header of a login written as `name:password`."""
    return b"Basic " + base64.b64encode(login.encode())


def carries(headers: RawHeaders, *credentials: bytes) -> bool:
    """Whether the Authorization header is one of these, compared in constant time."""
    given = next((value for name, value in headers if name == b"authorization"), b"")
    found = False
    for credential in credentials:  # always compare all, for constant time
        found |= hmac.compare_digest(given, credential)
    return found
