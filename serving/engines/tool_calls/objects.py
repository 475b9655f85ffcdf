"""Parses one call while it is generated: the name once it is complete, arguments as they come."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, cast

_HEAD = r'\s*\{{\s*"name"\s*:\s*"(?P<name>(?:[^"\\]|\\.)*)"\s*,\s*"{key}"\s*:\s*(?=\{{)'


@dataclass(slots=True)
class Nesting:
    """Tracks JSON nesting to find the end of the outermost object."""

    depth: int = 0
    _in_text: bool = False
    _escaped: bool = False

    def end(self, text: str, depth: int = 0) -> int | None:
        """Characters until nesting falls to `depth`; None if that is not within this text."""
        for at, char in enumerate(text):
            if self._in_text:
                self._inside(char)
            elif char == '"':
                self._in_text = True
            elif char in "{[":
                self.depth += 1
            elif char in "}]":
                self.depth -= 1
                if self.depth == depth:
                    return at + 1
        return None

    def _inside(self, char: str) -> None:
        if self._escaped:
            self._escaped = False
        elif char == "\\":
            self._escaped = True
        elif char == '"':
            self._in_text = False


@dataclass(slots=True)
class CallObject:
    """Parses `{"name": …, key: {…}}` incrementally; other JSON only once it is complete."""

    key: str
    name: str | None = None
    bare: bool = False  # the name is known, and only the arguments follow
    done: bool = False
    failed: bool = False
    raw: str = ""
    _arguments: Nesting = field(default_factory=Nesting)
    _outer: Nesting = field(default_factory=Nesting)
    _in_arguments: bool = False

    def __post_init__(self) -> None:
        self._in_arguments = self.bare

    def push(self, text: str) -> tuple[str, str]:
        """Add text; returns new text of the arguments, and the text after the object."""
        if self.name is None:
            self.raw += text
            return self._begin()
        if self._in_arguments:
            end = self._arguments.end(text)
            if end is None:
                return text, ""
            self._in_arguments = False
            self.done = self.bare
            if self.bare:
                return text[:end], text[end:]
            return text[:end], self._close(text[end:])
        return "", self._close(text)

    def _begin(self) -> tuple[str, str]:
        head = re.match(_HEAD.format(key=self.key), self.raw)
        if head is not None:
            self.name = _unescaped(head["name"])
            self._outer.depth = 1
            self._in_arguments = True
            return self.push(self.raw[head.end() :])
        end = Nesting().end(self.raw)
        if end is None:
            return "", ""
        return self._whole(self.raw[:end]), self.raw[end:]

    def _whole(self, text: str) -> str:
        """Parse a complete object with another key order; sets `failed` if it is not a call."""
        try:
            found: Any = json.loads(text)
        except ValueError:
            found = None
        call = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        name = call.get("name")
        arguments = call.get(self.key)
        if not isinstance(name, str) or not isinstance(arguments, dict | None):
            self.failed = True
            return ""
        self.name = name
        self.done = True
        return json.dumps(arguments or {}, ensure_ascii=False)

    def _close(self, text: str) -> str:
        end = self._outer.end(text)
        if end is None:
            return ""
        self.done = True
        return text[end:]


def _unescaped(name: str) -> str:
    return str(json.loads(f'"{name}"', strict=False))
