"""A GGUF model in its own process, asked by the unmodified `openai` client."""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.completion_choice import CompletionChoice

from tests.serving.engines.llama_cpp.serial_oracle import ROUNDING, Serial
from tests.serving.engines.processes import StartedEngine, engine_process

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def engine(endless: Path) -> Generator[StartedEngine]:
    with engine_process(format="gguf", path=str(endless), context_length=1024) as running:
        yield running


@pytest.fixture(scope="module")
def slow_engine(slow: Path) -> Generator[StartedEngine]:
    with engine_process(format="gguf", path=str(slow), context_length=2048, parallel=2) as running:
        yield running


def test_chat_stream_and_completion_answer_with_usage(engine: StartedEngine) -> None:
    """The three calls agree on text, and usage counts prompt and answer."""
    client = engine.client()
    chat = client.chat.completions.create(**ASK, temperature=0, max_tokens=16)
    chunks = list(
        client.chat.completions.create(
            **ASK, temperature=0, max_tokens=16, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == chat.choices[0].message.content
    assert chat.usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == chat.usage.completion_tokens
    assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens
    prompt = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    completion = client.completions.create(model="m", prompt=prompt, temperature=0, max_tokens=16)
    assert completion.choices[0].text == text
    assert completion.usage is not None
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == chat.usage.prompt_tokens - 1


def test_concurrent_clients_get_the_serial_answers(engine: StartedEngine, endless: Path) -> None:
    """Through HTTP as inside: text equal to llama_cpp's own, eight clients at once.

    As inside, an answer may go the other way where two tokens are as good as equal.
    """
    prompts = [f"def function_{i}(self, value)" for i in range(8)]

    def ask(prompt: str) -> CompletionChoice:
        answer = engine.client().completions.create(
            model="m", prompt=prompt, temperature=0, max_tokens=24, logprobs=3
        )
        return answer.choices[0]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, prompts))
    serial = Serial(endless)
    for prompt, answer in zip(prompts, answers, strict=True):
        expected = serial.text(prompt, 24)
        assert answer.text == expected or lead_where_they_part(answer, expected) < ROUNDING
    serial.close()


def lead_where_they_part(answer: CompletionChoice, expected: str) -> float:
    """By how much the answer's token was likelier than the next best, where the texts part."""
    said = answer.logprobs
    assert said is not None
    assert said.text_offset is not None
    assert said.top_logprobs is not None
    pairs = enumerate(zip(answer.text, expected, strict=False))
    parting = next((place for place, (a, b) in pairs if a != b), 0)
    last = max(offset for offset in said.text_offset if offset <= parting)
    here = [place for place, offset in enumerate(said.text_offset) if offset == last]
    leads = [sorted(said.top_logprobs[place].values())[-2:] for place in here]
    return min(best - second for second, best in leads)


def test_a_prompt_over_the_context_is_400(engine: StartedEngine) -> None:
    """OpenAI's code for it, with the numbers."""
    with pytest.raises(openai.BadRequestError) as caught:
        engine.client().completions.create(model="m", prompt="word " * 5000)
    assert caught.value.code == "context_length_exceeded"
    assert "1024" in caught.value.message


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_slot(slow_engine: StartedEngine, *, stream: bool) -> None:
    """A disconnect ends an answer of two thousand tokens near its beginning, streaming or not."""
    body = ASK | {"stream": stream}
    before = slow_engine.state()["generated_tokens"]
    with slow_engine.http() as http:
        if stream:
            with http.stream("POST", "/v1/chat/completions", json=body) as answer:
                next(answer.iter_lines())
        else:
            with pytest.raises(httpx2.ReadTimeout):
                http.post("/v1/chat/completions", json=body, timeout=httpx2.Timeout(60, read=0.3))
    deadline = time.monotonic() + 60
    while (state := slow_engine.state())["active"] + state["queued"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert state["generated_tokens"] - before < 1000


def test_the_state_tells_load_and_learned_speeds(engine: StartedEngine) -> None:
    """Slots, queue, cells, speeds and memory are there for whoever routes."""
    engine.client().completions.create(model="m", prompt="hi", temperature=0, max_tokens=16)
    state = engine.state()
    assert (state["slots"], state["active"], state["queued"]) == (4, 0, 0)
    assert state["cells"] == 4 * 1024
    assert state["prefill_tps"] > 0
    assert state["decode_tps"] > 0
    assert state["rss"] > 10_000_000
