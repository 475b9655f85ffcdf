"""Greedy answers are token for token those of the serial `Llama`, whatever runs beside."""

import random
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.engines.llama_cpp.serial_oracle import PlayedRequest, Serial, engine_on, play


@pytest.fixture
def serial(endless: Path) -> Generator[Serial]:
    reference = Serial(endless)
    yield reference
    reference.close()


def _prompt(length: int, seed: int, start: tuple[int, ...] = ()) -> tuple[int, ...]:
    draw = random.Random(seed)
    return (*start, *(draw.randrange(1000) for _ in range(length)))


def test_concurrent_answers_equal_serial_ones(endless: Path, serial: Serial) -> None:
    """Twelve prompts of many lengths over four slots."""
    parts = [PlayedRequest(_prompt(3 + 17 * i, i), limit=40) for i in range(12)]
    with engine_on(endless) as engine:
        serial.check(parts, play(engine, parts))


def test_small_batches_change_nothing(endless: Path, serial: Serial) -> None:
    """Prompts read in chunks of what is left of eight tokens, between other answers' tokens."""
    parts = [PlayedRequest(_prompt(100 + i, i), limit=30) for i in range(6)]
    with engine_on(endless, batch=8) as engine:
        serial.check(parts, play(engine, parts))


def test_a_shared_prefix_is_computed_once(endless: Path, serial: Serial) -> None:
    """Six askers with 300 tokens in common: followers wait for the first and copy from it."""
    start = _prompt(300, 0)
    parts = [PlayedRequest(_prompt(5, i, start), limit=24) for i in range(1, 7)]
    with engine_on(endless, parallel=6, batch=64) as engine:
        serial.check(parts, play(engine, parts))
        seen = engine.snapshot()
    assert seen.cached_tokens >= 5 * 300
    assert seen.prompt_tokens <= 300 + 6 * 5 + 8


def test_a_conversation_is_continued_from_memory(endless: Path, serial: Serial) -> None:
    """The next turn of a conversation reads only what is new."""
    first = PlayedRequest(_prompt(200, 1), limit=20)
    with engine_on(endless) as engine:
        answer = play(engine, [first])[0]
        second = PlayedRequest((*first.prompt, *answer, *_prompt(10, 2)), limit=20)
        serial.check([second], play(engine, [second]))
        assert engine.snapshot().cached_tokens >= 200


@settings(max_examples=15)
@given(
    parts=st.lists(
        st.builds(
            PlayedRequest,
            prompt=st.builds(
                lambda shared, own, seed: _prompt(own, seed, _prompt(shared, 0)),
                st.sampled_from([0, 0, 20, 90, 200]),
                st.integers(1, 120),
                st.integers(1, 50),
            ),
            limit=st.integers(1, 48),
            after_s=st.sampled_from([0, 0, 0.002, 0.01]),
            cancel_after=st.one_of(st.none(), st.integers(1, 20)),
        ),
        min_size=1,
        max_size=10,
    ),
    parallel=st.integers(1, 4),
    batch=st.sampled_from([8, 24, 512]),
)
def test_any_schedule_gives_the_serial_answers(
    endless: Path, serial: Serial, *, parts: list[PlayedRequest], parallel: int, batch: int
) -> None:
    """Arrivals, cancellations, shared beginnings, slots and chunks, all at random."""
    with engine_on(endless, parallel=parallel, batch=batch) as engine:
        serial.check(parts, play(engine, parts))
        assert engine.snapshot().active == 0
