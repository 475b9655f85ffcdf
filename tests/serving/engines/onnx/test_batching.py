"""Texts share a run where that is cheaper, and requests take turns: rules for every input."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.engines.onnx.backlog import Backlog, EncodeRequest
from modelyard.serving.engines.onnx.batching import BatchingPolicy
from modelyard.serving.engines.onnx.lanes import Lanes
from modelyard.serving.engines.onnx.tokens import EncodedText
from modelyard.serving.errors import EngineFailed

lengths = st.lists(st.integers(1, 512), min_size=1, max_size=100)
fixed = st.floats(0, 10_000)


def text(length: int, mark: int = 0) -> EncodedText:
    return EncodedText([mark] * length, [0] * length)


@given(lengths=lengths, fixed=fixed, share=st.integers(1, 100), most=st.integers(1, 20_000))
def test_a_batch_costs_less_than_its_texts_alone(
    lengths: list[int], fixed: float, share: int, most: int
) -> None:
    """The first is always in it, none twice, and padding never costs what runs would."""
    chosen = BatchingPolicy(fixed, most).choose(lengths, share)
    assert chosen[0] == 0
    assert len(chosen) == len(set(chosen)) <= max(share, 1)
    own = [lengths[index] for index in chosen]
    together = fixed + len(own) * max(own)
    assert together <= sum(fixed + length for length in own) + 1e-6
    assert len(own) == 1 or len(own) * max(own) <= most


def test_no_fixed_cost_means_no_batches() -> None:
    """Where a run costs nothing by itself there is nothing to save."""
    assert BatchingPolicy(0, 256).choose([8, 8, 8], 3) == [0]


def test_short_texts_of_a_length_go_together_and_long_ones_alone() -> None:
    """With MiniLM's measured cost of about 14 tokens."""
    policy = BatchingPolicy(14, 256)
    assert sorted(policy.choose([10, 200, 11, 9, 12], 5)) == [0, 2, 3, 4]
    assert policy.choose([200, 200], 2) == [0]


async def test_a_large_request_does_not_hold_up_a_small_one() -> None:
    """The second asker's first text is the next to run, not the thousandth."""
    backlog = Backlog(BatchingPolicy(0, 256), 1)
    large = EncodeRequest([text(5)] * 1000)
    small = EncodeRequest([text(5)] * 2)
    backlog.add(large)
    for _ in range(3):
        backlog.take()
    backlog.add(small)
    following = [backlog.take()[0].reading for _ in range(5)]
    assert following.count(small) == 2
    assert following[0] is large or following[0] is small


async def test_what_is_dropped_never_runs() -> None:
    """A client that left takes its texts out of the line."""
    backlog = Backlog(BatchingPolicy(0, 256), 1)
    gone = EncodeRequest([text(5)] * 3)
    stays = EncodeRequest([text(5)])
    backlog.add(gone)
    backlog.add(stays)
    backlog.drop(gone)
    assert [job.reading for job in backlog.take()] == [stays]
    assert len(backlog) == 0


async def test_waiting_fills_a_batch_and_ends_by_itself() -> None:
    """On a GPU the first text waits a moment for others, and no longer."""
    backlog = Backlog(BatchingPolicy(1000, 16_384, wait_s=3), 1)
    first = EncodeRequest([text(5)])
    second = EncodeRequest([text(6)])
    backlog.add(first)
    threading.Timer(0.01, backlog.add, [second]).start()
    jobs = await asyncio.to_thread(backlog.take)
    assert [job.reading for job in jobs] == [first, second]


async def test_one_bad_text_fails_alone() -> None:
    """A batch that breaks is run again text by text: the others get their answers."""

    def run(texts: list[EncodedText]) -> list[int]:
        if any(t.ids[0] == 1 for t in texts):
            raise ValueError("bad text")
        return [len(t) for t in texts]

    backlog = Backlog(BatchingPolicy(1000, 16_384, wait_s=0.05), 1)
    lanes = Lanes(run, backlog)  # type: ignore[arg-type]
    good = EncodeRequest([text(4), text(5)])
    bad = EncodeRequest([text(4, mark=1)])
    backlog.add(good)
    backlog.add(bad)
    assert await good.whole == [4, 5]
    with pytest.raises(EngineFailed, match="bad text"):
        await bad.whole
    lanes.close()
    assert lanes.active == 0
    assert not lanes.alive


async def test_closing_answers_what_still_waits() -> None:
    """Nobody waits for an engine that has gone."""
    backlog = Backlog(BatchingPolicy(0, 256), 1)
    reading = EncodeRequest([text(5)])
    backlog.add(reading)
    lanes = Lanes(lambda texts: [0] * len(texts), Backlog(BatchingPolicy(0, 256), 0))
    lanes.backlog = backlog
    lanes.close()
    with pytest.raises(EngineFailed):
        await reading.whole
