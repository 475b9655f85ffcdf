"""A batch in the cracks: what interactive streams feel of queued requests beside them.

`python -m benchmarks.jobs.cracks [--seconds 60] [--batch 3000]`: one worker with a mock engine of
four places, a gateway that dispatches, and streams that keep the engine busy to seven tenths. They
are measured alone, then beside queued requests of the lowest priority, which the gateway lets in
where it sees room. The mock engine's words take as long beside others as alone: what is measured is
the gateway's choice of when to let a queued request in, not a device.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.installation import running_installation
from benchmarks.routing.report import quantile

PLACES = 4
DELAY_S = 0.02
WORDS = 20
BUSY = 0.7
RATE = BUSY * PLACES / (DELAY_S * WORDS)
"""Streams per second that keep seven tenths of the engine's places busy."""

FIRST_BAR = 1.2
TOKENS_BAR = 1.3
"""First tokens may take so many times as long (p99); the device writes so many times as much."""

STREAM = {"model": "talker", "prompt": "Say", "max_tokens": WORDS, "stream": True}
QUEUED = {
    "model_id": "talker",
    "type": "inference",
    "priority": 1,
    "timeout": 86_400_000,
    "payload": {"prompt": "Say", "max_tokens": WORDS},
}


@dataclass(frozen=True, slots=True)
class CracksFigures:
    """First token of interactive streams, p99 ms, and all words that were written, per second."""

    first_p99_ms: float
    tokens_per_second: float


async def interactive(session: aiohttp.ClientSession, seconds: float) -> list[float]:
    """Streams that begin at random at RATE; milliseconds to the first token of each."""
    draw = random.Random(13)
    began = time.monotonic()
    at = 0.0
    async with asyncio.TaskGroup() as group:
        asked = list[asyncio.Task[float]]()
        while at < seconds:
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            asked.append(group.create_task(_first_token(session)))
            at += draw.expovariate(RATE)
    return [task.result() for task in asked]


async def _first_token(session: aiohttp.ClientSession) -> float:
    began = time.perf_counter()
    first = 0.0
    async with session.post("/v1/completions", json=STREAM) as answer:
        answer.raise_for_status()
        async for _ in answer.content.iter_any():
            first = first or time.perf_counter()
    return (first - began) * 1000


async def compare(url: str, key: str, seconds: float, batch: int) -> bool:
    headers = {"Authorization": f"Bearer {key}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, headers=headers, connector=connector) as session:
        alone = _figures(await interactive(session, seconds), 0, seconds)
        await hand_in(session, batch)
        first = await interactive(session, seconds)
        done = batch - await left(session)
        beside = _figures(first, done, seconds)
        while await left(session):  # noqa: ASYNC110  the gateway is another process
            await asyncio.sleep(0.5)
    slower = beside.first_p99_ms / alone.first_p99_ms
    more = beside.tokens_per_second / alone.tokens_per_second
    print(f"{'':>18}first token p99 ms{'':4}tokens/s")
    for name, seen in (("alone", alone), ("beside a batch", beside)):
        print(f"{name:>18}{seen.first_p99_ms:18.1f}{seen.tokens_per_second:12.0f}")
    print(f"first token {slower:.2f} times as long (bar {FIRST_BAR})")
    print(f"tokens/s {more:.2f} times as many (bar {TOKENS_BAR})")
    print(f"{done} of {batch} queued requests meanwhile, all of them in the end")
    return slower <= FIRST_BAR and more >= TOKENS_BAR


def _figures(first: list[float], queued: int, seconds: float) -> CracksFigures:
    return CracksFigures(quantile(first, 0.99), (len(first) + queued) * WORDS / seconds)


async def hand_in(session: aiohttp.ClientSession, count: int) -> None:
    async with session.get("/api/v1/me") as me:
        asked = QUEUED | {"user_id": (await me.json())["user_id"]}
    for _ in range(count):
        async with session.post("/api/v1/route", json=asked) as answer:
            answer.raise_for_status()


async def left(session: aiohttp.ClientSession) -> int:
    """How many queued requests have not ended."""
    async with session.get("/api/v1/requests/queue") as answer:
        lines = (await answer.json())["queue"]
    return sum(line["waiting"] + line["processing"] for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.jobs.cracks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=3000)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        models = {"talker": {"delay_s": DELAY_S}}
        found = running_installation(stack, folder, models, ["a"])
        good = asyncio.run(compare(found.url, found.key, asked.seconds, asked.batch))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
