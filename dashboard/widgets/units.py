"""Formats sizes, shares and times for people; an en dash if the value is unknown."""

import re
from datetime import UTC, datetime

UNKNOWN = "\N{EN DASH}"
_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=[\w.-]+\.)", re.IGNORECASE)
"""Where Markdown recognises an address; a joiner that nobody sees keeps it from being a link."""

_JOINER = "\N{WORD JOINER}"
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: float | None) -> str:
    """A size in bytes with three digits: 512 B, 4.38 MiB, 15.6 GiB."""
    if count is None:
        return UNKNOWN
    power = 0
    while count >= 999.5 and power < len(_BINARY) - 1:
        count, power = count / 1024, power + 1
    return f"{_three_digits(count) if power else int(count)} {_BINARY[power]}"


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def count(number: float) -> str:
    return f"{number:,.0f}"


def decimal(number: float) -> str:
    return f"{number:,.2f}"


def share(part: float | None) -> str:
    return UNKNOWN if part is None else f"{part:.0%}"


def measure(value: float | None, unit: str) -> str:
    return UNKNOWN if value is None else f"{count(value)} {unit}"


def milliseconds(value: float | None) -> str:
    """A time given in ms: 85 ms, 1.2 s."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f} ms" if value < 995 else f"{value / 1000:.1f} s"


def of(part: float | None, whole: float | None) -> float | None:
    """The ratio part/whole limited to 0..1; None if either is unknown or the whole is 0."""
    return min(max(part / whole, 0.0), 1.0) if part is not None and whole else None


def duration(seconds: float) -> str:
    """The two largest units of a duration: 12 s, 3 min 20 s, 2 h 5 min, 4 d 3 h."""
    left = max(0, int(seconds))
    for unit, length, smaller, step in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if left >= length:
            return _pair(left // length, unit, left % length // step, smaller)
    return _pair(left // 60, "min", left % 60, "s") if left >= 60 else f"{left} s"


def _pair(many: int, unit: str, few: int, smaller: str) -> str:
    return f"{many} {unit} {few} {smaller}" if few else f"{many} {unit}"


def age(moment: datetime) -> float:
    """Seconds since `moment`."""
    return (datetime.now(UTC) - moment).total_seconds()


def ago(seconds: float) -> str:
    """An age with its largest unit only: just now, 50 s ago, 3 h ago, 12 d ago."""
    many, unit = duration(seconds).split(" ")[:2]
    return "just now" if seconds < 10 else f"{many} {unit} ago"


def plain(text: str) -> str:
    """Escape untrusted text for Markdown, so that it is shown literally.

    Otherwise an image in a model's licence would make the browser fetch from a foreign host, and
    an address in it would be a link.
    """
    return _literal(" ".join(text.split()))


def prose(text: str) -> str:
    """As `plain`, but text between two backticks is shown as code."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(
        f"`{part}`" if position % 2 else _literal(part) for position, part in enumerate(parts)
    )


def _literal(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub(_JOINER, text))
