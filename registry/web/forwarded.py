"""A browser's address that the dashboard passes on to the gateway, signed so that it is believed.

Logins through the dashboard all come from its own address. Limits on tries count the browser's
instead; a stranger who writes such a header is not believed, as the signature needs the token.
"""

import hashlib
import hmac

HEADER = "X-Modelyard-Browser"
_LONGEST = 200


def signed(address: str, token: str) -> str:
    """The header's value for a browser at `address`."""
    return f"{address};{_signature(address, token)}"


def verified(value: str, token: str) -> str:
    """The address in a header's value; empty if there is none, or another token has signed it."""
    address, _, signature = value[:_LONGEST].rpartition(";")
    given = signature.encode(errors="replace")
    return address if hmac.compare_digest(given, _signature(address, token).encode()) else ""


def _signature(address: str, token: str) -> str:
    return hmac.new(token.encode(), address.encode(errors="replace"), hashlib.sha256).hexdigest()
