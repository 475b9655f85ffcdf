"""The engine's HTTP face: OpenAI's words, refusals by name, and an eye on who leaves."""

import json
import time
from collections.abc import Generator
from typing import Any

import httpx2
import openai
import pytest

from tests.serving.engines.processes import StartedEngine, engine_process

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello you"}]}


@pytest.fixture(scope="module")
def engine() -> Generator[StartedEngine]:
    with engine_process(parallel=2, max_queue=1000) as running:
        yield running


def test_a_chat_answer_is_what_the_openai_client_expects(engine: StartedEngine) -> None:
    """The unmodified client reads text, reason and usage."""
    answer = engine.client().chat.completions.create(**ASK, max_tokens=3)
    assert answer.choices[0].message.content == "All the world"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 3)
    assert answer.usage.total_tokens == 5


def test_a_stream_carries_the_same_text_and_then_usage(engine: StartedEngine) -> None:
    """First a role, then pieces, a reason, and usage where it was asked for."""
    stream = engine.client().chat.completions.create(
        **ASK, max_tokens=3, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(pieces) == "All the world"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3
    assert len({c.id for c in chunks}) == 1


def test_a_text_completion_streams_too(engine: StartedEngine) -> None:
    """Text completion has the same face as chat."""
    client = engine.client()
    whole = client.completions.create(model="m", prompt="hi", max_tokens=4)
    stream = client.completions.create(model="m", prompt="hi", max_tokens=4, stream=True)
    assert "".join(c.choices[0].text for c in stream) == whole.choices[0].text
    assert whole.choices[0].text == "All the world is"


def test_a_stop_string_over_token_borders_never_leaks(engine: StartedEngine) -> None:
    """`world is` lies across two tokens: neither form of answer shows any of it."""
    client = engine.client()
    whole = client.chat.completions.create(**ASK, stop="world is")
    chunks = client.chat.completions.create(**ASK, stop=["world is", "zzz"], stream=True)
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert whole.choices[0].message.content == text == "All the "
    assert whole.choices[0].finish_reason == "stop"


def test_the_name_to_echo_comes_by_header(engine: StartedEngine) -> None:
    """The gateway says under which name the client asked."""
    answer = engine.client().chat.completions.create(
        **ASK, max_tokens=1, extra_headers={"X-Modelyard-Model": "tiny/model@champion"}
    )
    assert answer.model == "tiny/model@champion"


def test_without_the_internal_token_nothing_answers(engine: StartedEngine) -> None:
    """A missing or wrong token is 401 on every route."""
    for path in ("/health", "/state", "/v1/models"):
        assert httpx2.get(engine.url + path, timeout=60).status_code == 401
    wrong = openai.OpenAI(base_url=f"{engine.url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        wrong.chat.completions.create(**ASK)


@pytest.mark.parametrize(
    ("extra", "param", "code", "says"),
    [
        ({"temperature": 3}, "temperature", "invalid_value", "from 0 to 2"),
        ({"n": 9}, "n", "invalid_value", "from 1 to 8"),
        ({"tools": [{}]}, "tools[0].type", "unsupported_parameter", "tools"),
        ({"messages": []}, "messages", "invalid_value", "1 to 2048"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value", "from 1"),
        ({"best_of": 2}, "best_of", "unsupported_parameter", "best_of"),
        ({"echo": True}, "echo", "unsupported_parameter", "echo"),
        ({"top_logprobs": 2}, "top_logprobs", "invalid_value", "logprobs"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter", "real model"),
        ({"messages": [{"role": "user", "content": "a " * 600}]}, "messages",
         "context_length_exceeded", "512"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(
    engine: StartedEngine, extra: dict[str, Any], param: str, code: str, says: str
) -> None:
    """400 in OpenAI's form names the field, and what is allowed."""
    with engine.http() as http:
        answer = http.post("/v1/chat/completions", json=ASK | extra)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert says in error["message"]


def test_a_body_over_eight_mebibytes_is_refused(engine: StartedEngine) -> None:
    """413 before the body is parsed, whether its size was declared or not."""
    big = json.dumps(ASK | {"user": "x" * (8 * 1024 * 1024)}).encode()
    with engine.http() as http:
        assert http.post("/v1/chat/completions", content=big).status_code == 413
        assert http.post("/v1/chat/completions", content=iter([big])).status_code == 413


def test_an_unknown_path_answers_in_openais_form(engine: StartedEngine) -> None:
    """Even a 404 is an object a client can read."""
    with engine.http() as http:
        answer = http.get("/v1/nothing")
    assert answer.status_code == 404
    assert "Not Found" in answer.json()["error"]["message"]


def test_a_failure_in_the_middle_is_the_streams_last_event(engine: StartedEngine) -> None:
    """A stream that breaks says so instead of ending as if it were whole."""
    failing = {**ASK, "messages": [{"role": "user", "content": "[fail]"}], "stream": True}
    with engine.http() as http:
        events = http.post("/v1/chat/completions", json=failing).text.strip().split("\n\n")
        whole = http.post("/v1/chat/completions", json=failing | {"stream": False})
    assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "engine_failed"
    assert whole.status_code == 500


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slot(*, stream: bool) -> None:
    """Soon nothing runs and nothing waits: not even one answer was said to its end."""
    with engine_process(parallel=2, options={"delay_s": 0.05}) as running:
        for _ in range(3):
            with pytest.raises(httpx2.ReadTimeout):
                _leave_early(running, stream=stream)
        assert _once_idle(running)["generated_tokens"] < 500


def _leave_early(engine: StartedEngine, *, stream: bool) -> None:
    read = 0.03 if stream else 0.3
    timeout = httpx2.Timeout(60, read=read)
    body = ASK | {"stream": stream}
    with (
        engine.http() as http,
        http.stream("POST", "/v1/chat/completions", json=body, timeout=timeout) as answer,
    ):
        answer.read()


def _once_idle(engine: StartedEngine) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (state := engine.state())["active"] + state["queued"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.02)
    return state
