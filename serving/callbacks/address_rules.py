"""What a callback's URL must be like before anything is looked up: checked at submission."""

import re
from urllib.parse import SplitResult, urlsplit

from modelyard.serving.callbacks.allowed_hosts import NONE_ALLOWED, AllowedHosts
from modelyard.serving.callbacks.global_addresses import literal
from modelyard.serving.errors import InvalidRequest

MOST_CHARACTERS = 2048

_PRINTED = re.compile(r"[!-~]+")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
_OWN = ("localhost", "local", "internal", "localdomain", "home.arpa")
_FIELD = "callback_url"


def check_url(url: str, allowed: AllowedHosts = NONE_ALLOWED) -> None:
    """Raise InvalidRequest, naming callback_url, for a URL that no callback can be sent to.

    Whether its name leads to the internet is looked up when the callback is sent, each time anew.
    """
    parts = _split(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and allowed.lists(host)):
        raise _refusal("must begin with https://", "Use https, or ask an operator to list the host")
    if "@" in parts.netloc:
        raise _refusal("must not contain a login", "Put what the receiver needs into the path")
    if parts.fragment:
        raise _refusal("must not have a part after #", "Leave it out")
    _check_host(host, allowed)


def _split(url: str) -> SplitResult:
    if not 1 <= len(url) <= MOST_CHARACTERS:
        raise _refusal(f"must have 1 to {MOST_CHARACTERS} characters", "Shorten it")
    if not _PRINTED.fullmatch(url) or "\\" in url:
        raise _refusal(
            "must be printable ASCII without spaces and backslashes",
            "Write other characters of a path as %XX, of a host as xn--",
        )
    try:
        parts = urlsplit(url)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        raise _refusal("is no URL", "Give one such as https://example.com/done") from None
    if not is_port or parts.netloc.endswith(":"):
        raise _refusal("has no valid port", "Leave the port out, or give one from 1 to 65535")
    return parts


def _check_host(host: str, allowed: AllowedHosts) -> None:
    address = literal(host)
    if address is not None:
        if not allowed.may_reach(host, address):
            raise _unreachable(host)
    elif not _NAME.fullmatch(host) or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        raise _refusal("has no valid host", "Give a host's name, or an address as 192.0.2.1")
    elif _is_own(host) and not allowed.lists(host):
        raise _unreachable(host)


def _is_own(host: str) -> bool:
    name = host.lower().rstrip(".")
    return any(name == own or name.endswith(f".{own}") for own in _OWN)


def _unreachable(host: str) -> InvalidRequest:
    return _refusal(
        f"leads to {host}, which is not on the internet",
        "Give a public address, or ask an operator to list it in MODELYARD_CALLBACK_HOSTS",
    )


def _refusal(what: str, fix: str) -> InvalidRequest:
    return InvalidRequest(f"'{_FIELD}' {what}.", param=_FIELD, fix=f"{fix}.")
