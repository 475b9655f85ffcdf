"""Child processes: a start that is cancelled at any moment ends, and leaves no child."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from modelyard.serving.child_process import end_group, start_child


def left() -> list[psutil.Process]:
    """Our children that run, or have run and were not waited for."""
    return psutil.Process().children(recursive=True)


@pytest.mark.parametrize("turns", range(12))
async def test_a_start_that_is_cancelled_leaves_no_child(turns: int) -> None:
    """After any number of turns of the loop: before the process is made, while, and after."""
    before = left()
    starting = asyncio.create_task(
        start_child("sh", "-c", "sleep 603 & sleep 603", env=os.environ, stdout=-1, stderr=-1)
    )
    for _ in range(turns):
        await asyncio.sleep(0)
    if starting.done():  # there is nothing to cancel any more
        end_group(starting.result(), signal.SIGKILL)
        await starting.result().communicate()
        return
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(starting, 60)
    async with asyncio.timeout(60):
        while [x for x in left() if x not in before]:
            await asyncio.sleep(0.01)


async def test_a_start_that_fails_while_it_is_cancelled_is_just_cancelled(tmp_path: Path) -> None:
    """Nothing is left to warn about."""
    starting = asyncio.create_task(start_child(str(tmp_path / "nothing"), env=os.environ))
    await asyncio.sleep(0)
    starting.cancel()
    with suppress(FileNotFoundError), pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(starting, 60)
