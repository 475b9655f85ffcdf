"""The event loop's lag as an engine's state shows it."""

import asyncio
import time

import pytest

from modelyard.serving.engines.process.loop_lag import LoopLag

pytestmark = pytest.mark.anyio


async def test_a_blocked_loop_shows() -> None:
    """Whoever holds the loop for a third of a second is seen at the next look."""
    lag = LoopLag()
    async with lag.watched():
        await asyncio.sleep(0.2)
        time.sleep(0.35)  # noqa: ASYNC251  that is what is looked for
        await asyncio.sleep(0.1)
    assert lag.p99_ms >= 250


async def test_nothing_is_said_before_anything_was_seen() -> None:
    """An engine that has just started lags by nothing."""
    assert LoopLag().p99_ms == 0
