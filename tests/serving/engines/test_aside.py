"""Long texts are read beside short ones, one after the other, for those who still wait."""

import asyncio
import threading

import pytest

from modelyard.serving.engines.aside import LONG, MOST_WAITING, Aside
from modelyard.serving.errors import EngineBusy

pytestmark = pytest.mark.anyio


async def test_a_short_text_never_waits_for_a_long_one() -> None:
    """However many long ones there are: they are read one at a time, by one thread."""
    aside = Aside()
    may = threading.Event()
    at_work = list[str]()

    def long() -> str:
        at_work.append(threading.current_thread().name)
        assert may.wait(60)
        return "long"

    reading = [asyncio.create_task(aside.run(LONG, long)) for _ in range(20)]
    assert await aside.run(LONG - 1, lambda: "short") == "short"
    assert len(at_work) <= 1
    may.set()
    assert await asyncio.gather(*reading) == ["long"] * 20
    assert len({*at_work}) == 1
    aside.close()


async def test_a_long_text_is_not_begun_for_who_has_left() -> None:
    """Only the one that is being read is finished for nobody."""
    aside = Aside()
    may = threading.Event()
    begun = list[int]()

    def long(number: int) -> None:
        begun.append(number)
        assert may.wait(60)

    reading = [asyncio.create_task(aside.run(LONG, lambda n=n: long(n))) for n in range(4)]
    while not begun:
        await asyncio.sleep(0.01)
    for task in reading[:3]:
        task.cancel()
    await asyncio.wait(reading[:3])
    may.set()
    await reading[3]
    assert begun == [0, 3]
    aside.close()


async def test_more_than_may_wait_are_turned_away() -> None:
    """With the error that says to come again."""
    aside = Aside()
    may = threading.Event()
    reading = [asyncio.create_task(aside.run(LONG, may.wait)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(EngineBusy):
        await aside.run(LONG, may.wait)
    may.set()
    await asyncio.gather(*reading)
    await aside.run(LONG, may.wait)
    aside.close()
