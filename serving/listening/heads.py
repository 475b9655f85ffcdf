"""What the head of a request must be like, beyond what the parser sees to."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import httptools

from serving.listening.refusals import Refused

Pair = tuple[bytes, bytes]

ONCE = frozenset(
    (
        b"authorization",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"origin",
        b"transfer-encoding",
    )
)
"""Of two of these, one part of a program would believe the first and another the last."""

ASKING = frozenset((b"expect", b"transfer-encoding"))
"""Those whose values ask something of us."""

VERSIONS = ("1.1", "1.0")


def check(version: str, method: bytes, named: AbstractSet[bytes]) -> None:
    """Raises Refused; `named` are those of `ONCE` that there are."""
    if version not in VERSIONS:
        raise Refused(505)
    if method == b"CONNECT":
        raise Refused(405)
    is_odd = b"transfer-encoding" in named if version == "1.0" else b"host" not in named
    if is_odd:
        raise Refused(400)


def check_value(name: bytes, value: bytes) -> None:
    """Raises Refused for what is asked of us and cannot be met."""
    if name == b"expect" and value.lower() != b"100-continue":
        raise Refused(417)
    if name == b"transfer-encoding" and value.lower() != b"chunked":
        raise Refused(501)


def size(target: bytes, headers: Iterable[Pair]) -> int:
    """Bytes of a head, near enough."""
    return len(target) + sum(len(name) + len(value) + 4 for name, value in headers)


def origin_form(target: bytes) -> bytes:
    """Path and query, also of a target that begins with scheme and host."""
    if target[:1] == b"/" or target == b"*":
        return target
    parsed = httptools.parse_url(target)
    return (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")


def without_offer(method: bytes, version: str, target: bytes, headers: Sequence[Pair]) -> bytes:
    """The same head without the offer to go on with another protocol, which is not taken up."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            options = (option.strip() for option in value.split(b","))
            value = b", ".join(option for option in options if option.lower() != b"upgrade")  # noqa: PLW2901
        if name != b"upgrade":
            lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join([*lines, b"", b""])
