"""The engine's asynchronous face: what it refuses, what it limits, how it ends."""

import asyncio
from pathlib import Path

import pytest

from modelyard.serving.engines.generation import Delta, Finish, GenerationRequest, Sampling
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.errors import ContextLengthExceeded, EngineBusy, EngineFailed, InvalidRequest
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from tests.serving.engines.llama_cpp.serial_oracle import engine_on

GREEDY = Sampling(temperature=0)


async def _all(engine: LlamaEngine, ask: GenerationRequest) -> list[Delta]:
    return [d async for d in engine.generate(await engine.prepare(ask))]


def _text(deltas: list[Delta]) -> str:
    return "".join(d.text for d in deltas)


def test_a_stop_string_ends_the_answer_and_is_not_shown(endless: Path) -> None:
    """A stop string over token borders cuts the text; only tokens up to it are counted."""
    with engine_on(endless) as engine:
        whole = asyncio.run(_all(engine, GenerationRequest("def", 60, (), GREEDY)))
        text = _text(whole)
        stop = text[20:26]
        cut = asyncio.run(_all(engine, GenerationRequest("def", 60, (stop,), GREEDY)))
        assert _text(cut) == text[: text.index(stop)]
        assert cut[-1].finish is Finish.STOP
        assert sum(d.tokens for d in cut) < sum(d.tokens for d in whole) == 60


def test_an_end_token_ends_the_answer(tiny_f32: Path) -> None:
    """The model's own end finishes with `stop`, and is neither shown nor counted."""
    with engine_on(tiny_f32) as engine:
        certain = Sampling(temperature=0, logit_bias=((engine.vocabulary.end, 100.0),))
        deltas = asyncio.run(_all(engine, GenerationRequest("hello", 10, (), certain)))
    assert [(d.text, d.tokens, d.finish) for d in deltas] == [("", 0, Finish.STOP)]


def test_the_limit_is_what_the_context_has_left(endless: Path) -> None:
    """No limit, or one too large, is clipped to the context."""
    with engine_on(endless, context_length=64) as engine:
        prompt = asyncio.run(engine.prepare(GenerationRequest((1,) * 50, 1000, (), GREEDY)))
        assert prompt.limit == 14
        deltas = asyncio.run(_all(engine, GenerationRequest((1,) * 50, None, (), GREEDY)))
        assert sum(d.tokens for d in deltas) == 14
        assert deltas[-1].finish is Finish.LENGTH


def test_a_prompt_as_long_as_the_context_is_refused(endless: Path) -> None:
    """The error has both numbers."""
    with (
        engine_on(endless, context_length=64) as engine,
        pytest.raises(ContextLengthExceeded, match=r"64 tokens.*64"),
    ):
        asyncio.run(engine.prepare(GenerationRequest((1,) * 64)))


def test_unknown_tokens_are_refused(endless: Path) -> None:
    """llama.cpp would abort on a token that is not in the vocabulary."""
    with engine_on(endless) as engine:
        with pytest.raises(InvalidRequest, match="1024"):
            asyncio.run(engine.prepare(GenerationRequest((1024,))))
        with pytest.raises(InvalidRequest, match="logit_bias"):
            asyncio.run(
                engine.prepare(GenerationRequest("x", sampling=Sampling(logit_bias=((5000, 1.0),))))
            )


def test_a_model_without_a_template_does_not_chat(untemplated: Path) -> None:
    """The refusal points to text completion, which works."""
    with engine_on(untemplated) as engine:
        with pytest.raises(InvalidRequest, match="/v1/completions"):
            asyncio.run(engine.prepare(GenerationRequest((ChatMessage("user", "hi"),))))
        assert asyncio.run(_all(engine, GenerationRequest("hi", 3)))


async def _once(engine: LlamaEngine, active: int, queued: int) -> None:
    async with asyncio.timeout(60):
        while (engine.snapshot().active, engine.snapshot().queued) != (active, queued):
            await asyncio.sleep(0.002)


def test_a_full_queue_is_busy(slow: Path) -> None:
    """More than may wait are turned away, and everyone let in is served."""

    async def crowd(engine: LlamaEngine) -> int:
        asks = [GenerationRequest("x", limit, (), GREEDY) for limit in (900, 5, 5)]
        running = [asyncio.create_task(_all(engine, ask)) for ask in asks]
        await _once(engine, 1, 2)
        with pytest.raises(EngineBusy):
            await engine.prepare(GenerationRequest("x"))
        return len(await asyncio.gather(*running))

    with engine_on(slow, parallel=1, max_queue=2) as engine:
        assert asyncio.run(crowd(engine)) == 3


def test_closing_the_stream_cancels_within_a_step(slow: Path) -> None:
    """An answer nobody reads any more frees its slot, long before its end."""

    async def leave(engine: LlamaEngine) -> None:
        deltas = engine.generate(await engine.prepare(GenerationRequest("x", 900, (), GREEDY)))
        await anext(deltas)
        await deltas.aclose()
        await _once(engine, 0, 0)

    with engine_on(slow) as engine:
        asyncio.run(leave(engine))
        assert engine.snapshot().generated_tokens < 900


def test_closing_the_engine_fails_what_runs(slow: Path) -> None:
    """Nobody waits for ever for an engine that has ended."""

    async def close_under(engine: LlamaEngine) -> None:
        running = asyncio.create_task(_all(engine, GenerationRequest("x", 900, (), GREEDY)))
        await _once(engine, 1, 0)
        await asyncio.to_thread(engine.scheduler.stop)
        with pytest.raises(EngineFailed):
            await running
        with pytest.raises(EngineFailed):
            await _all(engine, GenerationRequest("x", 5))

    with engine_on(slow) as engine:
        asyncio.run(close_under(engine))
        assert not engine.snapshot().alive
