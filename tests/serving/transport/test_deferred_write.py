"""Writes of one turn of the loop leave together, at its end."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from modelyard.serving.transport.deferred_write import write_soon

pytestmark = pytest.mark.anyio


class ClosingTransport(asyncio.Transport):
    """What is written, until it is closed; a write to what is closed breaks, as uvloop's does."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log
        self.closed = False

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        if self.closed:
            raise RuntimeError
        self.log.append(b"".join(list_of_data).decode())

    def is_closing(self) -> bool:
        return self.closed


async def test_all_work_of_a_turn_comes_before_its_writes() -> None:
    """They leave in the order in which they were asked for."""
    loop = asyncio.get_running_loop()
    log = list[str]()
    one = ClosingTransport(log)
    other = ClosingTransport(log)

    async def work(wire: ClosingTransport, name: str) -> None:
        log.append(f"works: {name}")
        write_soon(loop, wire, (name.encode(), b"!"))

    await asyncio.gather(work(one, "a"), work(other, "b"), work(one, "c"))
    await asyncio.sleep(0)
    assert log == ["works: a", "works: b", "works: c", "a!", "b!", "c!"]


async def test_what_was_closed_meanwhile_gets_nothing() -> None:
    """The reader has left: nothing breaks."""
    log = list[str]()
    wire = ClosingTransport(log)
    broken = list[object]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: broken.append(context))
    write_soon(loop, wire, (b"late",))
    wire.closed = True
    await asyncio.sleep(0)
    assert (log, broken) == ([], [])
