"""Addresses of servers, as people write them into settings."""

from urllib.parse import urlsplit


def server_address(value: str) -> str:
    """The address without a slash at its end; raises ValueError if it is none of HTTP."""
    if not _is_http(value):
        raise ValueError("must be an address such as http://127.0.0.1:8080")
    return value.rstrip("/")


def gateway_address(value: str) -> str:
    """A gateway's address; raises ValueError for that of its OpenAI API, too."""
    address = server_address(value)
    if address.endswith("/v1"):
        raise ValueError("must be the gateway's own address: leave out /v1")
    return address


def _is_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text may quote a part of a password
        return False
