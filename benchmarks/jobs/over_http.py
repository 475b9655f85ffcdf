"""Requests that are submitted over HTTP and completed by a mock engine, while one is read."""

import asyncio
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.installation import BenchInstallation, running_installation
from benchmarks.routing.report import quantile

ENGINE = {"delay_s": 0.0}
CLIENTS = 32
ASK = {
    "model_id": "talker",
    "type": "inference",
    "timeout": 3_600_000,
    "payload": {"prompt": "Say", "max_tokens": 4},
}


@dataclass(frozen=True, slots=True)
class HttpPace:
    """Requests per second from the first submission to the last end; reads took p99 ms."""

    per_second: float
    read_p99_ms: float
    completed: int


def over_http(database_url: str, count: int) -> HttpPace:
    """Start a whole installation on that database and measure it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        installation = running_installation(
            stack, folder, {"talker": ENGINE}, ["a"], database_url=database_url
        )
        return asyncio.run(_measure(installation, count))


async def _measure(installation: BenchInstallation, count: int) -> HttpPace:
    headers = {"Authorization": f"Bearer {installation.key}"}
    async with aiohttp.ClientSession(installation.url, headers=headers) as session:
        async with session.get("/api/v1/me") as me:
            user_id = (await me.json())["user_id"]
        began = time.perf_counter()
        numbers = iter(range(count))
        ids = list[str]()
        reads = list[float]()

        async def submit() -> None:
            for _ in numbers:
                ids.append(await _submit(session, user_id))

        reading = asyncio.create_task(_read(session, ids, reads))
        await asyncio.gather(*(submit() for _ in range(CLIENTS)))
        await _until_ended(session)
        took = time.perf_counter() - began
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        completed = await _count(session, ids)
    return HttpPace(count / took, quantile(reads, 0.99), completed)


async def _submit(session: aiohttp.ClientSession, user_id: str) -> str:
    async with session.post("/api/v1/route", json=ASK | {"user_id": user_id}) as answer:
        answer.raise_for_status()
        return str((await answer.json())["request_id"])


async def _read(session: aiohttp.ClientSession, ids: list[str], took: list[float]) -> None:
    while True:
        await asyncio.sleep(0.01)
        if not ids:
            continue
        began = time.perf_counter()
        async with session.get(f"/api/v1/requests/{ids[-1]}") as answer:
            answer.raise_for_status()
            await answer.read()
        took.append((time.perf_counter() - began) * 1000)


async def _until_ended(session: aiohttp.ClientSession) -> None:
    while True:
        async with session.get("/api/v1/requests/queue") as answer:
            if not (await answer.json())["queue"]:
                return
        await asyncio.sleep(0.02)


async def _count(session: aiohttp.ClientSession, ids: list[str]) -> int:
    """How many of a sample of a hundred are completed, as a share of all."""
    sample = ids[:: max(1, len(ids) // 100)]
    done = 0
    for id_ in sample:
        async with session.get(f"/api/v1/requests/{id_}") as answer:
            done += (await answer.json())["status"] == "completed"
    return round(len(ids) * done / len(sample))
