"""Work on texts beside the event loop: short ones at once, long ones one after the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from modelyard.serving.errors import EngineBusy

T = TypeVar("T")

LONG = 32 * 1024
"""Characters, or bytes of a request with them, that may take a tenth of a second."""

MOST_WAITING = 64


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="long-text")


@dataclass(slots=True)
class Aside:
    """Long texts have a thread of their own, so that short ones never wait for one."""

    _long: ThreadPoolExecutor = field(default_factory=_one_thread)
    _waiting: int = 0

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Raises EngineBusy where too many long texts wait; cancelled, what waits is not begun."""
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
