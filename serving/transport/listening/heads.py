"""Checks on a request's head beyond those of the parser."""

from collections import Counter
from collections.abc import Mapping, Sequence

import httptools

from modelyard.serving.transport.listening.refusals import Refused

Pair = tuple[bytes, bytes]

ONCE = (
    b"authorization",
    b"content-length",
    b"content-type",
    b"expect",
    b"host",
    b"origin",
    b"transfer-encoding",
)
"""Headers allowed once: of two, one part of a program would use the first, another the last."""

_SLASH, _HASH, _QUESTION = b"/#?"
VERSIONS = ("1.1", "1.0")


def check(
    version: str, method: bytes, headers: Sequence[Pair], given: Mapping[bytes, bytes]
) -> None:
    """Raise Refused for a head that is not accepted; `given` maps each name to its last value."""
    if len(given) < len(headers):
        _check_once(headers)
    if version != "1.1":
        _check_version(version, given)
    elif b"host" not in given:
        raise Refused(400)
    if method == b"CONNECT":
        raise Refused(405)
    if b"transfer-encoding" in given and given[b"transfer-encoding"].lower() != b"chunked":
        raise Refused(501)
    if b"expect" in given and given[b"expect"].lower() != b"100-continue":
        raise Refused(417)


def _check_once(headers: Sequence[Pair]) -> None:
    count = Counter(name for name, _ in headers)
    if any(count[name] > 1 for name in ONCE):
        raise Refused(400)


def _check_version(version: str, given: Mapping[bytes, bytes]) -> None:
    if version != "1.0":
        raise Refused(505)
    if b"transfer-encoding" in given:  # HTTP/1.0 does not have it
        raise Refused(400)


def split(target: bytes) -> tuple[bytes, bytes]:
    """Split a target into path and query; a leading scheme and host are dropped."""
    if target[0] == _SLASH and _HASH not in target:  # an int is found faster than bytes
        path, _, query = target.partition(b"?") if _QUESTION in target else (target, b"", b"")
        return path, query
    if target == b"*":
        return target, b""
    parsed = httptools.parse_url(target)
    return parsed.path or b"/", parsed.query or b""


def without_offer(method: bytes, version: str, target: bytes, headers: Sequence[Pair]) -> bytes:
    """The same head without its offer to upgrade to another protocol, which is never accepted."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            options = (option.strip() for option in value.split(b","))
            lines.append(
                b"connection: " + b", ".join(o for o in options if o.lower() != b"upgrade")
            )
        elif name != b"upgrade":
            lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join([*lines, b"", b""])
