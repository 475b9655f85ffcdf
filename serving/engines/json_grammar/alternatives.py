"""How many ways a value may begin; the engine follows each of them, token by token.

While it does, everybody else's answers wait, so that their number is limited.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelyard.serving.errors import InvalidRequest

MOST_WAYS = 50
_DEEP = 32


@dataclass(frozen=True, slots=True)
class _Beginning:
    """`ways` to begin a value; it `loops` if arrays alone lead back to a schema around it."""

    ways: int
    loops: bool = False


@dataclass(slots=True)
class Alternatives:
    """Counts the ways of schemas; `found` follows a pointer, and gives None if it leads nowhere.

    Constants are not counted: they are told apart by their letters.
    """

    found: Callable[[str], Any]
    _around: list[str] = field(default_factory=list[str])

    def check(self, schemas: list[Mapping[str, Any]], place: str) -> None:
        """Raise InvalidRequest if so many alternatives may be followed at once."""
        begun = [self._of(schema, 1) for schema in schemas]
        ways = sum(one.ways for one in begun)
        if ways > MOST_WAYS:
            raise InvalidRequest(
                f"'{place}' has {ways} alternatives: at most {MOST_WAYS} can be told apart here.",
                param=place,
                fix="Write constants as one 'enum', or ask in several requests.",
            )
        if sum(one.loops for one in begun) > 1:
            raise InvalidRequest(
                f"'{place}' has several arrays that contain themselves: only one can be.",
                param=place,
            )

    def _of(self, schema: Any, depth: int) -> _Beginning:
        if not isinstance(schema, Mapping) or depth > _DEEP:
            return _Beginning(1)
        if "$ref" in schema:
            return self._of_target(str(schema["$ref"]), depth)
        if "const" in schema or "enum" in schema:
            return _Beginning(0)
        parts = schema.get("anyOf") or schema.get("allOf")
        if isinstance(parts, list):
            begun = [self._of(part, depth + 1) for part in parts[: MOST_WAYS + 1]]
            return _Beginning(sum(x.ways for x in begun), any(x.loops for x in begun))
        return self._of_shape(schema, depth)

    def _of_target(self, pointer: str, depth: int) -> _Beginning:
        if pointer in self._around:
            return _Beginning(1, loops=True)
        self._around.append(pointer)
        begun = self._of(self.found(pointer), depth + 1)
        self._around.pop()
        return begun

    def _of_shape(self, schema: Mapping[str, Any], depth: int) -> _Beginning:
        """A value that may be an array begins also as its items do, behind a bracket."""
        kinds = schema.get("type")
        others = len(kinds) - ("array" in kinds) if isinstance(kinds, list) else 0
        if "items" not in schema:
            return _Beginning(max(others, 1))
        inner = self._of(schema["items"], depth + 1)
        return _Beginning(others + max(inner.ways, 1), inner.loops)
