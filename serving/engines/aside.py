"""Runs text work off the event loop: short texts at once, long ones one after another."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from modelyard.serving.errors import EngineBusy

T = TypeVar("T")

LONG = 32 * 1024
"""Characters, or bytes of the request, from which work may take a tenth of a second."""

MOST_WAITING = 64


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="long-text")


@dataclass(slots=True)
class Aside:
    """Gives long texts a thread of their own, so that short ones never wait for them."""

    _long: ThreadPoolExecutor = field(default_factory=_one_thread)
    _waiting: int = 0

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Run `work` in a thread; raises EngineBusy if too many long texts wait.

        Cancelling the call drops work that has not started.
        """
        if size < LONG:
            return await asyncio.to_thread(work)
        if self._waiting >= MOST_WAITING:
            raise EngineBusy(f"{MOST_WAITING} long texts wait to be read already.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._long, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._long.shutdown(wait=False, cancel_futures=True)
