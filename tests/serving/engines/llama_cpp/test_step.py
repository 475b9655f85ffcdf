"""What one decode is made of."""

import asyncio
from collections.abc import Generator

import pytest

from modelyard.serving.engines.generation import Generation
from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence, Slot
from modelyard.serving.engines.llama_cpp.speed import Speed
from modelyard.serving.engines.llama_cpp.step import Step


@pytest.fixture
def loop() -> Generator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def _slots(loop: asyncio.AbstractEventLoop, *remaining: tuple[int, int]) -> list[Slot]:
    """Slots by index, each with that many of its ten tokens still to be decoded."""
    slots: list[Slot] = []
    for number, (index, count) in enumerate(remaining):
        slot = Slot(index)
        sequence = Sequence(Generation(tuple(range(10)), 5), number, loop)
        slot.occupy(sequence, len(sequence.tokens) - count)
        slots.append(slot)
    return slots


def test_the_batch_is_in_the_order_of_slots(loop: asyncio.AbstractEventLoop) -> None:
    """llama.cpp decodes neighbouring slots together, whoever came first."""
    step = Step.fill(Batch(64), _slots(loop, (3, 1), (1, 4), (2, 1), (0, 1)))
    assert [(c.slot.index, c.count, c.index) for c in step.chunks] == [
        (0, 1, 0), (1, 4, 4), (2, 1, 5), (3, 1, 6),
    ]  # fmt: skip
    assert [c.row for c in step.chunks] == [0, 1, 2, 3]


def test_writers_have_their_place_before_prompts(loop: asyncio.AbstractEventLoop) -> None:
    """A prompt takes what they leave, though its slot stands first in the batch."""
    step = Step.fill(Batch(8), _slots(loop, (0, 9), (1, 9), (2, 1)))
    assert [(c.slot.index, c.count, c.row) for c in step.chunks] == [(0, 7, None), (2, 1, 0)]


def test_time_between_decodes_leaves_out_waiting_for_work() -> None:
    """Only what passed from one decode to the next without a rest counts."""
    speed = Speed()
    speed.step(4, 0, 1.0, 2.0)
    speed.step(0, 1, 2.25, 3.0)
    speed.rest()
    speed.step(4, 0, 9.0, 10.0)
    assert (speed.steps, speed.between_s) == (3, 0.25)
