"""Each parameter is checked against its range, and the message says field, value and range."""

import json
from typing import Any

import pytest

from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.openai.body import read_request
from modelyard.serving.wire.openai.chat.chat import ChatRequest
from modelyard.serving.wire.openai.completion import CompletionRequest

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def _chat(**extra: Any) -> ChatRequest:
    return read_request(ChatRequest, json.dumps(ASK | extra).encode())


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("temperature", 2.5, "from 0 to 2"),
        ("temperature", "hot", "from 0 to 2"),
        ("temperature", True, "from 0 to 2"),
        ("top_p", 0, "above 0"),
        ("top_k", -2, "0 for no limit"),
        ("top_k", 1.5, "0 for no limit"),
        ("min_p", 1.1, "from 0 to 1"),
        ("max_tokens", 0, "from 1"),
        ("max_completion_tokens", -1, "from 1"),
        ("stop", ["a"] * 5, "up to 4"),
        ("stop", "", "1 to 1024"),
        ("stop", [1], "up to 4"),
        ("seed", 1.5, "64-bit"),
        ("seed", 2**70, "64-bit"),
        ("presence_penalty", 3, "from -2 to 2"),
        ("frequency_penalty", -3, "from -2 to 2"),
        ("repetition_penalty", 0, "above 0"),
        ("logit_bias", {"1": 200}, "-100 to 100"),
        ("logit_bias", {"x": 1}, "token ids"),
        ("logit_bias", {"1": None}, "token ids"),
        ("logit_bias", {"1": [2]}, "token ids"),
        ("stream", "yes", "true or false"),
        ("model", 7, "name of a model"),
    ],
)
def test_out_of_range_is_refused_by_name(name: str, value: object, allowed: str) -> None:
    """The error carries the field, quotes the value and completes "it must be …"."""
    with pytest.raises(InvalidRequest) as caught:
        _chat(**{name: value})
    assert caught.value.param == name
    assert f"'{name}' is {value!r}"[:40] in caught.value.message
    assert allowed in caught.value.message


def test_null_means_not_given() -> None:
    """OpenAI's clients send null for what was not set."""
    assert _chat(temperature=None, stop=None, seed=None, tools=None) == _chat()


def test_defaults_are_openais() -> None:
    """Nothing given: temperature 1, the whole distribution, no limit, no stream."""
    ask = _chat()
    assert (ask.temperature, ask.top_p, ask.top_k, ask.limit) == (1.0, 1.0, 0, None)
    assert not ask.stream


def test_the_two_names_of_the_limit_must_agree() -> None:
    """max_tokens and max_completion_tokens may both be sent if they say the same."""
    assert _chat(max_tokens=5, max_completion_tokens=5).limit == 5
    with pytest.raises(InvalidRequest, match="differ"):
        _chat(max_tokens=5, max_completion_tokens=6)


def test_stream_options_need_a_stream() -> None:
    """As with OpenAI, options without a stream are an error, not ignored."""
    with pytest.raises(InvalidRequest, match="stream"):
        _chat(stream_options={"include_usage": True})
    assert _chat(stream=True, stream_options={"include_usage": True}).with_usage


def test_missing_messages_are_named() -> None:
    """A body without messages says which field is missing."""
    with pytest.raises(InvalidRequest, match="'messages' is missing"):
        read_request(ChatRequest, b'{"model": "m"}')


PROMPTS: list[tuple[object, tuple[object, ...]]] = [
    ("hi", ("hi",)),
    ([1, 2], ((1, 2),)),
    (["hi"], ("hi",)),
    ([[1]], ((1,),)),
    (["hi", "", "you"], ("hi", "", "you")),
    ([[1], [2, 3]], ((1,), (2, 3))),
]


@pytest.mark.parametrize(("prompt", "read"), PROMPTS)
def test_prompts_are_texts_or_tokens(prompt: object, read: tuple[object, ...]) -> None:
    """In all of OpenAI's four forms."""
    body = json.dumps({"model": "m", "prompt": prompt}).encode()
    assert read_request(CompletionRequest, body).prompt == read


@pytest.mark.parametrize(
    "prompt", [[], [True], [-1], {}, 5, [[]], [["a"]], ["a", 1], [[1], "a"], [1, [2]]]
)
def test_other_prompts_are_refused(prompt: object) -> None:
    """Neither text nor tokens: an error that says what is allowed."""
    body = json.dumps({"model": "m", "prompt": prompt}).encode()
    with pytest.raises(InvalidRequest, match="a string, a list of token ids, or"):
        read_request(CompletionRequest, body)


def test_too_many_answers_are_refused() -> None:
    """Prompts times `n` have a bound, which the message names."""
    body = json.dumps({"prompt": ["a"] * 33, "n": 4}).encode()
    with pytest.raises(InvalidRequest, match="132 answers: at most 128"):
        read_request(CompletionRequest, body)
