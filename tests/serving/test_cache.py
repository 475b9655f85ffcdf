"""A short memory of slow answers."""

import threading
import time

import anyio
import pytest
from sqlalchemy.exc import OperationalError

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


class Hanging:
    """A database that answers, hangs or is away, as it is told; every look is a new answer."""

    def __init__(self) -> None:
        self.asked = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.error: Exception | None = None

    def __call__(self, key: str) -> str:
        self.asked += 1
        number = self.asked
        self.goes_on.wait(60)
        if self.error:
            raise self.error
        return f"{key} {number}"


async def test_the_last_answer_holds_on_while_the_database_hangs_or_is_away() -> None:
    """Only the first asker waits for it, and only so long; a new answer takes over at once."""
    database = Hanging()
    recent = SingleFlightCache(database, seconds=0.0, last_s=60, patience_s=0.05)
    assert await recent.get("a") == "a 1"
    database.goes_on.clear()
    assert [await recent.get("a") for _ in range(50)] == ["a 1"] * 50
    assert database.asked == 2
    database.goes_on.set()
    with anyio.fail_after(60):
        while await recent.get("a") == "a 1":
            await anyio.sleep(0.01)
    last = database.asked
    database.error = OperationalError("away", None, OSError())
    assert await recent.get("a") != "a 1"
    assert database.asked > last


async def test_nobody_waits_for_ever_for_a_first_answer() -> None:
    """A read has its time: then it is as if the connection were lost."""
    database = Hanging()
    database.goes_on.clear()
    recent = SingleFlightCache(database, seconds=60, last_s=60, limit_s=0.05)
    with pytest.raises(OperationalError, match="too long"):
        await recent.get("a")
    database.goes_on.set()


@pytest.mark.parametrize("lost", ["forgotten", "cleared", "refused", "old"])
async def test_what_does_not_hold_any_more_is_not_given(lost: str) -> None:
    """A revoked key, a removed model, or what is too old: there is no answer then, but an error."""
    database = Hanging()
    recent = SingleFlightCache(database, seconds=0.0, last_s=0.01 if lost == "old" else 60)
    await recent.get("a")
    if lost == "forgotten":
        recent.forget("a")
    elif lost == "cleared":
        recent.clear()
    elif lost == "old":
        await anyio.sleep(0.02)
    else:
        database.error = KeyError("no such model")
        with pytest.raises(KeyError):
            await recent.get("a")
    database.error = OperationalError("away", None, OSError())
    with pytest.raises(OperationalError):
        await recent.get("a")
