"""Threads of their own for what jobs ask of the database: live requests never wait behind."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

THREADS = 4
CLOSES_S = 5.0
"""Seconds that calls under way have to end before their database is closed."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobLane:
    """Runs blocking calls, THREADS at a time, in the order in which they came."""

    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, "modelyard-jobs")
    )
    _calls: set[Future[Any]] = field(default_factory=set[Future[Any]])

    async def do(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call; one that has begun goes on to its end if its caller is cancelled."""
        future = self._threads.submit(call, *args, **kwargs)
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Take no more calls, and wait a while for those under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(wait, [*self._calls], CLOSES_S)
