"""Many short requests, some of whose callers leave, cost an engine nothing that lasts."""

import asyncio
import random
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.models.tiny import Tiny
from tests.serving.engines.processes import TOKEN, StartedEngine, engine_process

AT_ONCE = 16
LEAVING = 0.2
"""The share of callers that hang up before their answer has come."""

GROWTH = 0.05
SLACK = 4 << 20
"""What memory may grow by after the first quarter: a share of it, and bytes of noise."""


async def ask(session: aiohttp.ClientSession, url: str, draw: random.Random) -> bool:
    """One short request; whether it was answered, or its caller has left."""
    body = {
        "model": "m",
        "prompt": [draw.randrange(900) for _ in range(draw.randint(1, 40))],
        "max_tokens": draw.randint(1, 8),
        "temperature": draw.choice((0.0, 0.8)),
        "stream": draw.random() < 0.5,
    }
    try:
        async with asyncio.timeout(draw.uniform(0.0, 0.05) if draw.random() < LEAVING else 300.0):
            async with session.post(f"{url}/v1/completions", json=body) as answer:
                await answer.read()
                assert answer.status == 200, await answer.text()
    except TimeoutError:
        return False
    return True


async def callers(engine: StartedEngine, count: int, seed: int) -> int:
    """Send `count` requests, AT_ONCE at a time; how many were answered."""
    draw = random.Random(seed)
    answered = 0
    left = iter(range(count))

    async def caller(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        for _ in left:
            was_answered = await ask(session, engine.url, draw)
            answered += was_answered

    headers = {"authorization": f"Bearer {TOKEN}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        await asyncio.gather(*(caller(session) for _ in range(AT_ONCE)))
    return answered


async def idle(engine: StartedEngine) -> dict[str, int]:
    """The engine's state once it has nothing more to do."""
    async with asyncio.timeout(120):
        while True:
            state = await asyncio.to_thread(engine.state)
            if state["active"] == state["queued"] == 0:
                return state
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_short_requests_and_cancels_leave_nothing_behind(
    tmp_path: Path, full_length: int
) -> None:
    """No memory grows, no slot is stuck, the engine is idle and answers at the end."""
    count = 20_000 if full_length > 1 else 800
    file = Tiny(endless=True).write(tmp_path / "tiny.gguf")
    with engine_process(format="gguf", path=str(file), parallel=8) as engine:
        process = psutil.Process(engine.process.pid)
        sizes: list[int] = []
        answered = 0
        for quarter in range(4):
            answered += await callers(engine, count // 4, quarter)  # one callers at a time
            await idle(engine)
            sizes.append(process.memory_info().rss)
        figures = f"{answered} of {count} answered, RSS {[s / 2**20 for s in sizes]} MiB\n"
        sys.stderr.write(figures)
        assert sizes[-1] <= sizes[0] * (1 + GROWTH) + SLACK
        assert answered >= count * (1 - LEAVING) * 0.95
        assert await callers(engine, 1, 99) in {0, 1}
        assert process.num_threads() < 64
