"""The mock engine is deterministic, bounded and cancellable: others test against it."""

import asyncio

import pytest

from modelyard.serving.engines.generation import Finish, GenerationRequest
from modelyard.serving.engines.mock import MockEngine
from modelyard.serving.errors import ContextLengthExceeded, EngineFailed


async def _text(engine: MockEngine, ask: GenerationRequest) -> tuple[str, Finish | None]:
    deltas = [d async for d in engine.generate(await engine.prepare(ask))]
    return "".join(d.text for d in deltas), deltas[-1].finish


def test_it_says_the_same_words_in_a_circle() -> None:
    """The answer depends on its length alone."""
    engine = MockEngine(words=("a", "b"), delay_s=0)
    assert asyncio.run(_text(engine, GenerationRequest("x", 5))) == ("a b a b a", Finish.LENGTH)


def test_only_so_many_speak_at_once() -> None:
    """More asks than places wait, and the snapshot says so."""

    async def watch() -> tuple[int, int]:
        engine = MockEngine(delay_s=0.05, parallel=2)
        asks = [asyncio.create_task(_text(engine, GenerationRequest("x", 2))) for _ in range(5)]
        await asyncio.sleep(0.02)
        seen = engine.snapshot()
        await asyncio.gather(*asks)
        assert engine.snapshot().active == 0
        return seen.active, seen.queued

    assert asyncio.run(watch()) == (2, 3)


def test_it_refuses_a_prompt_longer_than_its_context() -> None:
    """The bound is the real engine's: prompt and answer share the context."""
    with pytest.raises(ContextLengthExceeded, match="30"):
        asyncio.run(MockEngine(context_length=30).prepare(GenerationRequest("x " * 30)))


def test_it_fails_where_it_is_asked_to() -> None:
    """`[fail]` in the prompt breaks the answer after its first word."""
    with pytest.raises(EngineFailed):
        asyncio.run(_text(MockEngine(delay_s=0), GenerationRequest("please [fail]", 5)))
