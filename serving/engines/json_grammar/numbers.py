"""Bounded numbers as GBNF."""

import math

from modelyard.serving.engines.json_grammar import words
from modelyard.serving.engines.json_grammar.keywords import Schema
from modelyard.serving.errors import InvalidRequest, UnsupportedParameter

_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_LARGEST = 10**words.MAX_DIGITS - 1


def integers(schema: Schema, where: str) -> str:
    """A GBNF expression for integers within the schema's bounds, if any."""
    if not any(word in schema for word in _BOUNDS):
        return "integer"
    least = -_LARGEST
    most = _LARGEST
    if (low := _bound(schema, "minimum", where)) is not None:
        least = max(least, math.ceil(low))
    if (low := _bound(schema, "exclusiveMinimum", where)) is not None:
        least = max(least, math.floor(low) + 1)
    if (high := _bound(schema, "maximum", where)) is not None:
        most = min(most, math.floor(high))
    if (high := _bound(schema, "exclusiveMaximum", where)) is not None:
        most = min(most, math.ceil(high) - 1)
    if most < least:
        raise InvalidRequest(f"'{where}' has bounds with no whole number between.", param=where)
    return f"({words.whole_numbers(least, most)})"


def numbers(schema: Schema, where: str) -> str:
    """The rule for any number; bounds raise, as only integers support them."""
    bound = next((word for word in _BOUNDS if word in schema), None)
    if bound:
        param = f"{where}.{bound}"
        raise UnsupportedParameter(f"'{param}' can only be kept to with type integer.", param=param)
    return "number"


def _bound(schema: Schema, word: str, where: str) -> float | None:
    value = schema.get(word)
    if value is None:
        return None
    if type(value) not in (int, float) or abs(value) > _LARGEST:
        raise InvalidRequest(
            f"'{where}.{word}' must be a number of at most {words.MAX_DIGITS} digits.",
            param=f"{where}.{word}",
        )
    return value
