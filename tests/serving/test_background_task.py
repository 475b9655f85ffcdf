"""Work beside a block ends with the block, whatever it does about being cancelled."""

import asyncio
from contextlib import suppress

import pytest

from modelyard.serving.background_task import background_task

pytestmark = pytest.mark.anyio


async def test_work_that_loses_a_cancellation_is_cancelled_again() -> None:
    """As `wait_for` of Python 3.11 loses one that comes as its answer does."""
    cancelled = 0

    async def work() -> None:
        nonlocal cancelled
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        cancelled += 1
        await asyncio.Event().wait()

    async with asyncio.timeout(60):
        async with background_task(work()):
            await asyncio.sleep(0)
    assert cancelled == 1


async def test_what_work_failed_of_is_raised_at_the_end() -> None:
    """Nobody would hear of it otherwise."""

    async def work() -> None:
        raise KeyError("a fault")

    with pytest.raises(KeyError):
        async with background_task(work()):
            await asyncio.sleep(0)
