"""Newcomers go beside those that run, and what they push aside is moved, not lost."""

import asyncio
import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from modelyard.serving.engines.generation import Generation
from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.kv.prefix_cache import KvCache
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence, Slot
from modelyard.serving.engines.llama_cpp.kv.spill import Spill
from modelyard.serving.engines.llama_cpp.model.binding import (
    ContextShape,
    LlamaContext,
    LlamaModel,
    Logits,
)
from modelyard.serving.engines.llama_cpp.step import Step
from tests.serving.engines.llama_cpp.serial_oracle import (
    GREEDY,
    FreeFiles,
    PlayedRequest,
    Serial,
    engine_on,
    play,
)

SLOTS = 16
_numbers = count()


@dataclass(slots=True)
class CacheHarness:
    """A cache of sixteen slots whose prompts are really decoded, without the scheduler's thread."""

    cache: KvCache
    loop: asyncio.AbstractEventLoop
    batch: Batch = field(default_factory=lambda: Batch(512))
    clock: float = 0.0

    def place(
        self, prompt: tuple[int, ...], limit: int = 64, adapter: str = "", behind: int = 0
    ) -> Slot:
        generation = Generation(prompt, limit, (), GREEDY, adapter=adapter)
        return self.cache.place(Sequence(generation, next(_numbers), self.loop), behind)

    def read(self) -> Logits:
        """Decode all that is placed; the row of logits of the last in the order of slots."""
        settled = [slot for slot in self.cache.running if self.cache.settle(slot)]
        step = Step.fill(self.batch, settled)
        assert self.cache.context.decode(self.batch.native) == 0
        step.done()
        return self.cache.context.logits(self.batch.rows)[-1].copy()

    def leave(self, slot: Slot) -> None:
        self.clock += 1
        slot.release(self.clock)

    @property
    def runs(self) -> int:
        """How often llama.cpp goes over the weights: once for each run of neighbours."""
        busy = {slot.index for slot in self.cache.running}
        return sum(index - 1 not in busy for index in busy)


@contextmanager
def bench_on(path: Path, *, unified: bool = False) -> Generator[CacheHarness]:
    model = LlamaModel.load(str(path))
    context = LlamaContext(model, ContextShape(64 * SLOTS, SLOTS, 512, 1, unified))
    loop = asyncio.new_event_loop()
    try:
        yield CacheHarness(KvCache(context, Spill(context, FreeFiles())), loop)
    finally:
        loop.close()
        context.close()
        model.close()


def _prompt(seed: int, length: int = 20, start: tuple[int, ...] = (1, 2, 3)) -> tuple[int, ...]:
    """Every model's prompts have a few tokens in common: its beginning, its template's."""
    draw = random.Random(seed)
    return (*start, 100 + seed, *(draw.randrange(1000) for _ in range(length - 1)))


@pytest.mark.parametrize("start", [(1, 2, 3), tuple(range(30))])
def test_those_who_come_together_are_neighbours(tiny_f32: Path, start: tuple[int, ...]) -> None:
    """Wave after wave of eight over sixteen slots, with little in common or much."""
    with bench_on(tiny_f32) as harness:
        for wave in range(12):
            slots = [harness.place(_prompt(8 * wave + i, 9, start), behind=7 - i) for i in range(8)]
            assert harness.runs == 1
            harness.read()
            for slot in slots:
                harness.leave(slot)


def test_who_comes_late_joins_those_who_run(tiny_f32: Path) -> None:
    """Eight of sixteen leave and come at random: hardly ever more than two runs of neighbours."""
    draw = random.Random(0)
    runs = list[int]()
    with bench_on(tiny_f32) as harness:
        for number in range(200):
            while len(harness.cache.running) > 7:
                harness.leave(draw.choice(harness.cache.running))
            harness.place(_prompt(number))
            harness.read()
            runs.append(harness.runs)
    assert sum(runs[8:]) / len(runs[8:]) < 1.5


def test_only_what_was_used_longest_ago_is_lost(tiny_f32: Path) -> None:
    """Wherever newcomers go, memory holds the prompts that were used last."""
    draw = random.Random(1)
    left = list[list[int]]()
    held = list[list[int]]()
    with bench_on(tiny_f32) as harness:
        for number in range(100):
            while len(harness.cache.running) > 7:
                slot = draw.choice(harness.cache.running)
                left.append(slot.tokens)
                harness.leave(slot)
            harness.place(_prompt(number))
            harness.read()
            held = [slot.tokens for slot in harness.cache.idle if slot.filled]
            assert sorted(held) == sorted(left[len(left) - len(held) :])
        assert len(held) == SLOTS - 8


def test_a_crowd_takes_the_oldest_places_without_a_move(tiny_f32: Path) -> None:
    """Seven who come beside one that runs: what they would push aside would be theirs anyway."""
    with bench_on(tiny_f32) as harness:
        for seed in range(SLOTS):
            slot = harness.place(_prompt(seed))
            harness.read()
            harness.leave(slot)
        harness.cache.slots[7].used = 0
        assert harness.place(_prompt(50)).index == 7
        places = {harness.place(_prompt(51 + i), behind=6 - i).index for i in range(7)}
        assert places == set(range(7))
        assert not harness.cache.context.copying


def test_what_moved_is_what_was_computed(tiny_f32: Path) -> None:
    """A prompt between two that run makes place; its next turn goes on from where it went to."""
    said = _prompt(1, 40)
    more = _prompt(2, 5, ())
    with bench_on(tiny_f32) as harness:
        first, talk, third = (harness.place(p) for p in (_prompt(3), said, _prompt(4)))
        harness.read()
        for seed in range(5, 5 + SLOTS - 3):
            other = harness.place(_prompt(seed))
            harness.read()
            harness.leave(other)
        harness.leave(talk)
        assert (first.index, third.index) == (talk.index - 1, talk.index + 1)
        assert harness.place(_prompt(99)) is talk
        harness.read()
        again = harness.place((*said, *more))
        assert again is not talk
        assert again.filled == len(said)
        continued = harness.read()
    with bench_on(tiny_f32) as fresh:
        fresh.place((*said, *more))
        np.testing.assert_allclose(continued, fresh.read(), atol=1e-4)


def test_nothing_moves_where_it_would_not_pay(tiny_f32: Path) -> None:
    """For an answer of a few tokens, beside those of another adapter, or in unified memory."""
    for unified, limit, adapter in ((False, 4, ""), (False, 64, "other"), (True, 64, "")):
        with bench_on(tiny_f32, unified=unified) as harness:
            for seed in range(SLOTS):
                harness.place(_prompt(seed))
            harness.read()
            for index in (9, 3):
                harness.leave(harness.cache.slots[index])
            harness.cache.slots[8].adapter = harness.cache.slots[10].adapter = "another"
            harness.cache.slots[2].sequence = None
            harness.cache.slots[2].used = 9
            assert harness.place(_prompt(99), limit, adapter).index == 9
            assert not harness.cache.context.copying


def test_answers_are_the_serial_ones_wherever_they_are_written(endless: Path) -> None:
    """Talks of many lengths that go on, come late and leave: slots fill and are moved about."""
    serial = Serial(endless)
    draw = random.Random(5)
    talks = [_prompt(i, 30) for i in range(9)]
    with engine_on(endless, parallel=6, context_length=512) as engine:
        for _ in range(4):
            parts = [
                PlayedRequest(
                    talk, draw.choice([9, 12, 25, 40]), draw.choice([0, 0.003, 0.01, 0.03])
                )
                for talk in draw.sample(talks, 7)
            ]
            answers = play(engine, parts)
            serial.check(parts, answers)
            for part, answer in zip(parts, answers, strict=True):
                talks[talks.index(part.prompt)] = (*part.prompt, *answer, *_prompt(len(answer), 2))
        assert engine.snapshot().cached_tokens > 0
    serial.close()
