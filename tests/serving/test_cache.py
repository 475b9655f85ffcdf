"""A short memory of slow answers."""

import threading
import time

import anyio
import pytest

from modelyard.serving.cache import SingleFlightCache

pytestmark = pytest.mark.anyio


class Slow:
    """Answers with how often it was asked, after a moment."""

    def __init__(self) -> None:
        self.asked = 0
        self.lock = threading.Lock()
        self.error: Exception | None = None

    def __call__(self, key: str) -> str:
        time.sleep(0.02)
        with self.lock:
            self.asked += 1
        if self.error:
            raise self.error
        return f"{key} {self.asked}"


async def test_askers_at_the_same_time_share_one_lookup() -> None:
    """A hundred askers of one key are one question."""
    slow = Slow()
    recent = SingleFlightCache(slow, seconds=60)
    answers: list[str] = []

    async def ask() -> None:
        answers.append(await recent.get("a"))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(ask)
    assert set(answers) == {"a 1"}


async def test_an_answer_is_forgotten_after_its_time_and_when_told() -> None:
    """Until then it is kept; the seconds count from the asking."""
    recent = SingleFlightCache(Slow(), seconds=600)
    assert await recent.get("a") == "a 1"
    assert await recent.get("a") == "a 1"
    recent.forget("a")
    assert await recent.get("a") == "a 2"
    recent = SingleFlightCache(Slow(), seconds=0.1)
    assert await recent.get("a") == "a 1"
    await anyio.sleep(0.11)
    assert await recent.get("a") == "a 2"


async def test_an_error_is_not_kept() -> None:
    """The next asker gets a new answer."""
    slow = Slow()
    recent = SingleFlightCache(slow, seconds=60)
    slow.error = KeyError("gone")
    with pytest.raises(KeyError):
        await recent.get("a")
    slow.error = None
    assert await recent.get("a") == "a 2"


async def test_an_asker_that_leaves_does_not_end_the_lookup() -> None:
    """Others may be waiting for it."""
    slow = Slow()
    recent = SingleFlightCache(slow, seconds=60)
    with anyio.move_on_after(0.001):
        await recent.get("a")
    assert await recent.get("a") == "a 1"


async def test_it_is_bounded() -> None:
    """What was asked for first leaves first."""
    recent = SingleFlightCache(str, seconds=60, entries=3)
    for i in range(10):
        await recent.get(i)
    assert len(recent) == 3
