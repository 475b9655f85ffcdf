"""Writes one event as one log line: bounded, without secrets, for people or for programs."""

import sys
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

import msgspec

from modelyard.registry.logs.faults import told
from modelyard.registry.logs.hidden import HIDDEN, is_secret, without_secrets
from modelyard.registry.logs.repeats import Repeats

Form = Literal["auto", "json", "console"]
Level = Literal["debug", "info", "warning", "error", "critical"]

SEVERITY = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
MOST_VALUES = 30
MOST_ITEMS = 20
VALUE_CHARACTERS = 500
LOOKED_AT_CHARACTERS = 8_000

_NO_MARK_OF_A_KIND = ("exc_info", "request_id")
"""Fields that, like numbers, do not distinguish kinds of lines for repeat suppression."""


@dataclass(slots=True)
class Lines:
    """The log writer of a process; it writes to the current `sys.stderr`."""

    form: Form = "auto"
    level: Level = "info"
    repeats: Repeats = field(default_factory=Repeats)

    def write(
        self, name: str, level: str, event: str, values: Mapping[str, Any], *, template: str = ""
    ) -> None:
        """Write one line, unless it is below the level or repeats too often.

        `template` is the event without its values, if the event includes them.
        """
        if SEVERITY.get(level, 0) < SEVERITY[self.level]:
            return
        facts = _facts(event, values)
        left_out = self.repeats.admit((name, template or event, *_kind(facts, values)))
        if left_out is None:
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": at, "level": level, "logger": name, **facts}
        self._put(line | ({"left_out": left_out} if left_out else {}))

    def _put(self, line: dict[str, Any]) -> None:
        is_json = not sys.stderr.isatty() if self.form == "auto" else self.form == "json"
        try:
            sys.stderr.write((_as_json if is_json else _as_text)(line) + "\n")
        except (OSError, ValueError):  # a full disk or a closed pipe must not fail a request
            return


def _facts(event: str, values: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"event": _shown(event)}
    for name, value in islice(values.items(), MOST_VALUES):
        if name != "exc_info":
            facts[name] = HIDDEN if isinstance(value, str) and is_secret(name) else _shown(value)
    if (error := _exception(values.get("exc_info"))) is not None:
        facts |= {name: _shown(text) for name, text in told(error).items()}
    return facts


def _kind(facts: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Hashable, ...]:
    """The key that groups alike lines; an exception counts by type and position, not by message."""
    if "at" in facts and values.get("exc_info"):
        return facts["error"].partition(":")[0], facts["at"]
    return tuple(
        value
        for name, value in facts.items()
        if isinstance(value, str) and name not in ("event", *_NO_MARK_OF_A_KIND)
    )


def _exception(given: object) -> BaseException | None:
    """The exception that logging's `exc_info` means: True, an exception, or a triple with it."""
    found = sys.exc_info()[1] if given is True else given
    if isinstance(found, tuple):
        found = found[1]
    return found if isinstance(found, BaseException) else None


def _shown(value: object) -> object:
    """A value as it appears on a line; bytes and huge integers are replaced by their size."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 64 else f"a number of {value.bit_length()} bits"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, list | tuple | set | frozenset):
        value = ", ".join(str(_shown(item)) for item in islice(value, MOST_ITEMS))
    text = value if isinstance(value, str) else str(value)
    return without_secrets(text[:LOOKED_AT_CHARACTERS].strip())[:VALUE_CHARACTERS]


def _as_json(line: Mapping[str, Any]) -> str:
    return msgspec.json.encode(line).decode()


def _as_text(line: Mapping[str, Any]) -> str:
    """The line for people: time, level, logger and event first, then the values."""
    facts = dict(line)
    begin = [f"{facts.pop('time')} {facts.pop('level'):<9}{facts.pop('logger')}: "]
    begin.append(_plain(facts.pop("event"), apart=""))
    return "".join(begin + [f"  {name}={_plain(value)}" for name, value in facts.items()])


def _plain(value: object, apart: str = " ") -> str:
    """The value as text, quoted if it would break the line or run into the next field."""
    text = str(value)
    return repr(text) if not text.isprintable() or (apart and apart in text) else text


LINES = Lines()
"""The log writer of this process; `modelyard.registry.logs.set_up` configures it."""
