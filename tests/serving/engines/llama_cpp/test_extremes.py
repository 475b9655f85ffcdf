"""Numbers at the ends of what C can hold reach llama.cpp as what they are, or not at all."""

import json
from pathlib import Path

import pytest

from modelyard.serving.wire.openai.chat.chat import ChatRequest
from modelyard.serving.wire.openai.completion import CompletionRequest
from modelyard.serving.wire.openai.tokens import DetokenizeRequest
from tests.serving.engines.processes import engine_process
from tests.serving.extremes import NUMBERS

CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2, "model": "m"}
COMPLETION = {"prompt": "hello", "max_tokens": 2, "model": "m"}
ASKED = [
    *(("/v1/chat/completions", CHAT, name) for name in ChatRequest.model_fields),
    *(("/v1/completions", COMPLETION, name) for name in CompletionRequest.model_fields),
    *(("/detokenize", {"model": "m"}, name) for name in DetokenizeRequest.model_fields),
]


@pytest.mark.slow
def test_no_number_breaks_the_engine(endless: Path) -> None:
    """Every parameter with every number, in a list and as a token's id, too; it lives on."""
    broken = list[tuple[str, str]]()
    with (
        engine_process(format="gguf", path=str(endless), context_length=256) as engine,
        engine.http() as http,
    ):
        pid = engine.state()["pid"]
        for path, usual, name in ASKED:
            for number in NUMBERS:
                for value in (number, [number], {str(number): 1}):
                    body = json.dumps(usual | {name: value})
                    told = {"Content-Type": "application/json"}
                    if http.post(path, content=body, headers=told).status_code >= 500:
                        broken.append((path, body[:200]))
        assert engine.state()["pid"] == pid
    assert broken == []
