"""Messages are text by known roles; anything else is refused at its very place."""

from typing import Any

import pytest

from modelyard.serving.errors import InvalidRequest, UnsupportedParameter
from modelyard.serving.wire.openai.chat.messages import ChatMessage, read_messages


def test_text_parts_are_joined() -> None:
    """Content may be a list of text parts."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read_messages([{"role": "user", "content": parts}]) == (ChatMessage("user", "ab"),)


def test_an_answer_may_be_sent_back_whole() -> None:
    """The client's own message object, empty fields and all, is a valid turn."""
    answer = {
        "role": "assistant", "content": "hi", "refusal": None, "annotations": [], "audio": None,
        "function_call": None, "tool_calls": None,
    }  # fmt: skip
    assert read_messages([answer]) == (ChatMessage("assistant", "hi"),)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
         "messages[0].content[0].type"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        ({"role": "user", "content": "x", "tool_calls": [{}]}, "messages[0].tool_calls"),
    ],
)  # fmt: skip
def test_images_and_tools_are_unsupported_by_name(message: dict[str, Any], param: str) -> None:
    """What cannot be honoured yet is refused, not dropped."""
    with pytest.raises(UnsupportedParameter) as caught:
        read_messages([message])
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("hi", "messages"),
        ([], "messages"),
        ([{"role": "user", "content": "x"}] * 2049, "messages"),
        (["hi"], "messages[0]"),
        ([{"role": "king", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        ([{"role": "user", "content": "x", "name": 1}], "messages[0].name"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
        ([{"role": "assistant", "tool_calls": [{}]}], "messages[0].tool_calls[0]"),
    ],
)
def test_a_wrong_message_is_pointed_at(messages: object, param: str) -> None:
    """`param` is the path to the very value."""
    with pytest.raises(InvalidRequest) as caught:
        read_messages(messages)
    assert caught.value.param == param
