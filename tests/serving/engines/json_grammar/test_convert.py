"""A schema becomes a grammar of bounded size, or is refused."""

import pytest

from modelyard.serving.engines.json_grammar.convert import MAX_REPEATS, grammar_of
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.openai.chat.response_format import JsonForm


def _strings(count: int) -> JsonForm:
    lengths = [{"type": "string", "maxLength": 1000} for _ in range(count)]
    return JsonForm({"anyOf": lengths}, "response_format.json_schema.schema")


def test_lengths_add_up_to_so_much() -> None:
    """llama.cpp copies each of them for each answer, while all others wait."""
    assert grammar_of(_strings(MAX_REPEATS // 1000))
    with pytest.raises(InvalidRequest, match="too large") as refused:
        grammar_of(_strings(MAX_REPEATS // 1000 + 1))
    assert refused.value.param == "response_format.json_schema.schema"
