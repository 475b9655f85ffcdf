"""The JSON Schema keywords that become grammar, and the errors for wrong ones."""

from collections.abc import Mapping
from typing import Any, cast

from modelyard.serving.errors import InvalidRequest, UnsupportedParameter

Schema = Mapping[str, Any]
MOST = 1000
"""Upper limit for lengths, item counts and alternatives in a schema."""
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_NOTES = frozenset(
    {
        "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
        "$schema", "$id", "$comment", "$defs", "definitions",
    }
)  # fmt: skip
_SHAPES = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "items", "prefixItems",
        "minItems", "maxItems", "minLength", "maxLength", "format", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum",
    }
)  # fmt: skip
# Keywords that define a schema alone, with the keywords allowed beside them.
_WHOLE: dict[str, frozenset[str]] = {
    "$ref": frozenset(),
    "const": frozenset({"type"}),
    "enum": frozenset({"type"}),
    "anyOf": frozenset(),
    "allOf": frozenset(),
}


def head_of(schema: Schema, where: str) -> str | None:
    """The keyword that alone defines the schema, if any; raises for an unsupported keyword."""
    head = next((word for word in _WHOLE if word in schema), None)
    allowed = _NOTES | (_SHAPES if head is None else _WHOLE[head] | {head})
    for word in schema:
        if word not in allowed:
            param = f"{where}.{word[:100]}"
            beside = f" beside '{head}'" if head and word in (_SHAPES | _WHOLE.keys()) else ""
            raise UnsupportedParameter(
                f"'{param}'{beside} is not a schema keyword that can be kept to here.", param=param
            )
    return head


def schema_at(value: object, where: str) -> Schema:
    """A schema; `true` is the schema that allows everything."""
    if value is True:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{where}' must be a schema.", param=where)
    return cast("dict[str, Any]", value)


def schemas_at(value: object, where: str) -> list[Schema]:
    """A list of one or more schemas."""
    return [schema_at(item, f"{where}[{i}]") for i, item in enumerate(list_at(value, where))]


def list_at(value: object, where: str) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(cast("list[Any]", value)) <= MOST:
        raise InvalidRequest(f"'{where}' must be a list of 1 to {MOST} entries.", param=where)
    return cast("list[Any]", value)


def names_at(value: object, where: str) -> list[str]:
    """A list of property names; may be empty."""
    names: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [None]
    if not all(isinstance(name, str) for name in names) or len(names) > MOST:
        raise InvalidRequest(f"'{where}' must be a list of names.", param=where)
    return names


def count_at(schema: Schema, word: str, where: str) -> int | None:
    """A length bound; None if it is absent."""
    value = schema.get(word)
    if value is not None and not (type(value) is int and 0 <= value <= MOST):
        raise InvalidRequest(
            f"'{where}.{word}' must be a whole number from 0 to {MOST}.", param=f"{where}.{word}"
        )
    return value


def range_at(schema: Schema, low: str, high: str, where: str) -> tuple[int, int | None]:
    """The lower and upper bound of a length; the upper one is None if absent."""
    least = count_at(schema, low, where) or 0
    most = count_at(schema, high, where)
    if most is not None and most < least:
        raise InvalidRequest(f"'{where}.{high}' is below '{low}'.", param=f"{where}.{high}")
    return least, most


def types_at(schema: Schema, where: str) -> list[str]:
    """The types that a value may have; a schema without `type` raises, so check for it first."""
    value = schema.get("type")
    named: list[Any] = [value] if isinstance(value, str) else list_at(value, f"{where}.type")
    for name in named:
        if name not in TYPES:
            raise InvalidRequest(
                f"'{where}.type' has {str(name)[:80]!r}: known are {', '.join(TYPES)}.",
                param=f"{where}.type",
            )
    return list(dict.fromkeys(named))
