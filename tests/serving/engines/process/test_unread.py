"""A reader that does not read holds no slot of an engine, and is cut off after a time."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.models.tiny import Tiny
from tests.serving.engines.processes import TOKEN, StartedEngine, engine_process
from tests.serving.readers import StreamClient

WORD = "x" * 20_000
WORDS = 400
CHAT = "/v1/chat/completions"
TOKENS = 1400


def once(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def is_idle(engine: StartedEngine) -> bool:
    told = engine.state()
    return bool(told["generated_tokens"]) and told["active"] + told["queued"] == 0


@pytest.fixture(params=["mock", "gguf"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """How an engine of either kind is started, and an answer that no socket has room for."""
    ask = {"model": "m", "messages": [{"role": "user", "content": "Say"}]}
    if request.param == "mock":
        options = {"words": [WORD], "delay_s": 0.0}
        return {"options": options, "parallel": 1}, ask | {"max_tokens": WORDS}
    file = Tiny(endless=True).write(tmp_path / "endless.gguf")
    started = {"format": "gguf", "path": str(file), "context_length": 1500, "parallel": 2}
    scored = {"max_tokens": TOKENS, "logprobs": True, "top_logprobs": 20, "n": 2}
    return started, ask | scored


def test_its_slot_is_free_when_the_answer_is_written(
    given: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Others are answered meanwhile; and who reads on in the end has all of it."""
    config, ask = given
    with (
        engine_process(**config) as engine,
        StreamClient.ask(engine.url, TOKEN, ask, CHAT) as reader,
    ):
        once(lambda: is_idle(engine))
        short = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
        with StreamClient.ask(engine.url, TOKEN, short, CHAT) as other:
            assert other.finish()
        assert reader.finish()
        assert len(reader.heard) > 4_000_000
        assert reader.heard.count(b'"finish_reason":"length"') == ask.get("n", 1)


def test_who_takes_nothing_is_cut_off(given: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """What was kept for it is given back, and the engine goes on."""
    config, ask = given
    with engine_process(**config, unread_s=1.0) as engine:
        with StreamClient.ask(engine.url, TOKEN, ask, CHAT) as reader:
            once(lambda: is_idle(engine))
            time.sleep(5.0)
            assert not reader.finish()
        with StreamClient.ask(engine.url, TOKEN, ask, CHAT) as reader:
            assert reader.finish()
