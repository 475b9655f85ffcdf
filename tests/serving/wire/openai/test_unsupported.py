"""A field is honoured, neutral, or refused: never ignored."""

from typing import Any

import pytest

from modelyard.serving.errors import UnsupportedParameter
from modelyard.serving.wire.openai.unsupported import refuse_unsupported


@pytest.mark.parametrize(
    "given",
    [
        {"user": "ada"}, {"metadata": {"a": "b"}}, {"store": False}, {"tools": []},
        {"response_format": {"type": "text"}}, {"logprobs": False}, {"service_tier": "auto"},
        {"parallel_tool_calls": True}, {"modalities": ["text"]}, {"best_of": 1}, {"echo": False},
    ],
)  # fmt: skip
def test_what_changes_nothing_is_accepted(given: dict[str, Any]) -> None:
    """Notes, and OpenAI's own defaults, may be sent."""
    refuse_unsupported(given, known=())


@pytest.mark.parametrize(
    "given",
    [
        {"store": True}, {"best_of": 2}, {"best_of": True}, {"tools": [{}]}, {"top_logprobs": 3},
        {"response_format": {"type": "json_object"}}, {"logprobs": True}, {"echo": True},
        {"audio": {}}, {"modalities": ["audio"]}, {"reasoning_effort": "high"}, {"topp": 1},
    ],
)  # fmt: skip
def test_what_would_be_ignored_is_refused(given: dict[str, Any]) -> None:
    """The error names the field; a misspelt one counts as unknown."""
    with pytest.raises(UnsupportedParameter) as caught:
        refuse_unsupported(given, known=())
    assert caught.value.param == next(iter(given))
