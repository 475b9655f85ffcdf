"""A schema becomes a grammar of bounded size, or is refused."""

from typing import Any

import pytest

from modelyard.serving.engines.json_grammar.alternatives import MOST_WAYS
from modelyard.serving.engines.json_grammar.convert import MAX_REPEATS, grammar_of
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.openai.chat.response_format import JsonForm

WHERE = "response_format.json_schema.schema"


def _strings(count: int) -> JsonForm:
    lengths = [{"type": "string", "maxLength": 1000} for _ in range(count)]
    return JsonForm({"prefixItems": lengths}, WHERE)


def test_lengths_add_up_to_so_much() -> None:
    """llama.cpp copies each of them for each answer, while all others wait."""
    assert grammar_of(_strings(MAX_REPEATS // 1000))
    with pytest.raises(InvalidRequest, match="too large") as refused:
        grammar_of(_strings(MAX_REPEATS // 1000 + 1))
    assert refused.value.param == WHERE


TEXT = {"type": "string", "maxLength": 9}


def _nested(deep: int) -> dict[str, Any]:
    """Each bracket has two ways to go on, so that there are 2 to the power of `deep`."""
    inner: dict[str, Any] = TEXT
    for _ in range(deep):
        inner = {"anyOf": [{"type": "array", "items": inner, "maxItems": n} for n in (1, 2)]}
    return inner


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [TEXT] * (MOST_WAYS + 1)},
        {"anyOf": [{"anyOf": [TEXT] * MOST_WAYS}, TEXT]},
        {"anyOf": [{"$ref": "#/$defs/many"}] * 2, "$defs": {"many": {"anyOf": [TEXT] * 30}}},
        {"anyOf": [{"type": "array", "items": {"anyOf": [TEXT] * 30}}] * 2},
        {"anyOf": [{"type": "array", "items": {"$ref": "#"}, "maxItems": n} for n in (1, 2)]},
        _nested(6),
    ],
)
def test_alternatives_that_begin_alike_are_few(schema: dict[str, Any]) -> None:
    """Each is followed at every token, while all others wait: a 400 that names the place."""
    with pytest.raises(InvalidRequest, match=r"alternatives|arrays") as refused:
        grammar_of(JsonForm(schema, WHERE))
    assert str(refused.value.param).startswith(f"{WHERE}.anyOf")


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [TEXT] * MOST_WAYS},
        {"anyOf": [{"const": str(n)} for n in range(1000)]},
        {"anyOf": [TEXT, {"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]},
        {"properties": {str(n): {"anyOf": [TEXT, {"type": "null"}]} for n in range(200)}},
        _nested(5),
    ],
)
def test_usual_alternatives_are_taken(schema: dict[str, Any]) -> None:
    """Constants, optional members and values that contain themselves are no many ways."""
    assert grammar_of(JsonForm(schema, WHERE))
