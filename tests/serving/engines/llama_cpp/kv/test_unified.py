"""One memory for all sequences: shared beginnings take cells once, full memory preempts."""

import random
from pathlib import Path

from tests.serving.engines.llama_cpp.serial_oracle import PlayedRequest, Serial, engine_on, play


def _prompt(length: int, seed: int) -> tuple[int, ...]:
    draw = random.Random(seed)
    return tuple(draw.randrange(1000) for _ in range(length))


def test_full_memory_preempts_the_youngest_and_loses_nothing(endless: Path) -> None:
    """Answers that need more cells than there are: evicted, preempted, resumed, and right."""
    parts = [PlayedRequest(_prompt(40 + i, 10 + i), limit=700) for i in range(6)]
    with engine_on(endless, kv_unified=True, context_length=2048) as engine:
        play(
            engine,
            [PlayedRequest(_prompt(200, 9), limit=4), PlayedRequest(_prompt(200, 8), limit=4)],
        )
        answers = play(engine, parts)
        seen = engine.snapshot()
    assert seen.preempted > 0
    assert seen.active == seen.queued == 0
    Serial(endless).check(parts, answers)


def test_a_shared_beginning_is_computed_once(endless: Path) -> None:
    """Followers take the first asker's cells, which are then counted in memory once."""
    start = _prompt(300, 0)
    parts = [PlayedRequest((*start, *_prompt(5, i)), limit=24) for i in range(1, 7)]
    with engine_on(endless, kv_unified=True, parallel=6, batch=64) as engine:
        answers = play(engine, parts)
        assert engine.snapshot().cached_tokens >= 5 * 300
    Serial(endless).check(parts, answers)


def test_cancellations_leave_the_others_right(endless: Path) -> None:
    """Every second asker leaves early; the rest of the answers are untouched."""
    parts = [
        PlayedRequest(_prompt(30, i), limit=60, cancel_after=5 if i % 2 else None) for i in range(8)
    ]
    with engine_on(endless, kv_unified=True) as engine:
        answers = play(engine, parts)
    Serial(endless).check(parts, answers)
