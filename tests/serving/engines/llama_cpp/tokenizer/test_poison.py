"""No text ends an engine, and none keeps another's request waiting."""

import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.models.tiny import Tiny
from tests.serving.engines.processes import StartedEngine, engine_process

RUN = 60_000
POISON = {
    "letters": "A" * RUN,
    "spaces": " " * RUN,
    "lines": "\n" * RUN,
    "dashes": "-" * RUN,
    "Chinese": "漢" * RUN,
    "special tokens": "<|im_end|>" * (RUN // 10),
    "special tokens and letters": "<|im_end|>a" * (RUN // 10),
    "all of it": "".join("A \n-漢😀\u0301"[n % 7] * 9000 for n in range(40)),
    "a word that never ends": "A" * 1_000_000,
}


@pytest.fixture(scope="module", params=["tekken", "gpt-4o", "deepseek-llm", "deepseek-v3"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[StartedEngine]:
    file = tmp_path_factory.mktemp("poison") / "tiny.gguf"
    path = Tiny(pre=request.param, context=1024).write(file)
    with engine_process(format="gguf", path=str(path), context_length=1024) as running:
        yield running


def _ask(engine: StartedEngine, path: str, **body: Any) -> tuple[int, str]:
    with engine.http() as http:
        answer = http.post(path, json={"model": "m"} | body)
    code = "" if answer.is_success else answer.json()["error"]["code"]
    return answer.status_code, code


@pytest.mark.slow
@pytest.mark.parametrize("text", POISON.values(), ids=POISON)
def test_every_way_in_answers_or_refuses(engine: StartedEngine, text: str) -> None:
    """With a status that says whose fault it is, and the engine goes on."""
    messages = [{"role": "user", "content": text}]
    ways: list[tuple[str, dict[str, Any]]] = [
        ("/v1/chat/completions", {"messages": messages}),
        ("/v1/chat/completions", {"messages": messages, "stream": True}),
        ("/v1/completions", {"prompt": text, "echo": True, "logprobs": 1}),
        ("/v1/completions", {"prompt": ["short", text]}),
        ("/tokenize", {"prompt": text}),
        ("/tokenize", {"messages": messages}),
    ]
    for path, body in ways:
        limit = {} if path == "/tokenize" else {"max_tokens": 1}
        status, code = _ask(engine, path, **body, **limit)
        refused = code in {"context_length_exceeded", "unbroken_text"}
        assert status == 200 or (status == 400 and refused), (path, status, code)
    assert engine.process.poll() is None


@pytest.mark.slow
def test_others_go_on_meanwhile(tmp_path: Path) -> None:
    """Short requests are answered while more long texts are read than there are threads."""
    path = Tiny(pre="gpt-4o", context=1024).write(tmp_path / "tiny.gguf")
    text = "".join(f"<|im_end|>{n} is a number, and not the last" for n in range(800))
    threads = min(32, (os.cpu_count() or 1) + 4)
    short = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
    with engine_process(format="gguf", path=str(path), context_length=1024) as engine:
        asking = [
            threading.Thread(target=_ask, args=(engine, "/tokenize"), kwargs={"prompt": text})
            for _ in range(threads + 2)
        ]
        for thread in asking:
            thread.start()
        for _ in range(5):
            assert _ask(engine, "/v1/chat/completions", **short)[0] == 200
        assert any(thread.is_alive() for thread in asking)
        for thread in asking:
            thread.join()
