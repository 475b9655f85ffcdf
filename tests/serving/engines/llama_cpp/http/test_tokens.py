"""Tokens of a text and back, as tools of vLLM's ecosystem ask for them."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.engines.processes import StartedEngine, engine_process

TEXT = "def run(self): return naïve — 7"


@pytest.fixture(scope="module")
def engine(tiny_f32: Path) -> Generator[StartedEngine]:
    with engine_process(format="gguf", path=str(tiny_f32)) as running:
        yield running


def _post(engine: StartedEngine, path: str, **body: Any) -> Any:
    with engine.http() as http:
        return http.post(path, json={"model": "m"} | body).json()


def test_text_goes_to_tokens_and_back(engine: StartedEngine) -> None:
    """With and without the model's own first token."""
    plain = _post(engine, "/tokenize", prompt=TEXT, add_special_tokens=False)
    begun = _post(engine, "/tokenize", prompt=TEXT, return_token_strs=True)
    assert plain["count"] == len(plain["tokens"]) == begun["count"] - 1
    assert begun["tokens"][1:] == plain["tokens"]
    assert begun["token_strs"][0] == "<|begin|>"
    assert plain["token_strs"] is None
    assert plain["max_model_len"] == 512
    assert _post(engine, "/detokenize", tokens=plain["tokens"])["prompt"] == TEXT


def test_a_text_begins_once(engine: StartedEngine) -> None:
    """lm-eval writes the model's beginning into its texts: it is not put there twice."""
    begun = _post(engine, "/tokenize", prompt=TEXT)["tokens"]
    assert _post(engine, "/tokenize", prompt=f"<|begin|>{TEXT}")["tokens"] == begun
    twice = _post(engine, "/tokenize", prompt=f"<|begin|><|begin|>{TEXT}")["tokens"]
    assert len(twice) == len(begun) + 1


def test_a_conversation_has_the_tokens_that_a_chat_counts(engine: StartedEngine) -> None:
    """Through the model's template."""
    messages = [{"role": "user", "content": TEXT}]
    counted = _post(engine, "/tokenize", messages=messages)["count"]
    chat = _post(engine, "/v1/chat/completions", messages=messages, max_tokens=1)
    assert counted == chat["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "x", "messages": [{"role": "user", "content": "x"}]}, "prompt"),
        ("/tokenize", {"prompt": 5}, "prompt"),
        ("/tokenize", {"prompt": "x", "add_generation_prompt": False}, "add_generation_prompt"),
        ("/tokenize", {"messages": [{"role": "user", "content": "x"}], "add_special_tokens": True},
         "add_special_tokens"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": [5000]}, "tokens"),
        ("/detokenize", {"tokens": [-1]}, "tokens"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    engine: StartedEngine, path: str, body: dict[str, Any], param: str
) -> None:
    """In OpenAI's form, with the field."""
    assert _post(engine, path, **body)["error"]["param"] == param
