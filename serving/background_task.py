"""Work that goes on beside a block, and ends with it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

AGAIN_S = 1.0
"""Seconds until a task that goes on although it was cancelled is cancelled once more."""


@contextlib.asynccontextmanager
async def background_task(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Endless work goes on while the block runs; what it failed of is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():  # a library may have taken the cancellation for its own
            task.cancel()
            await asyncio.wait({task}, timeout=AGAIN_S)
        if not task.cancelled():
            task.result()
