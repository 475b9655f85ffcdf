"""A real engine under requests whose lengths and times are given: when each token came."""

import asyncio
import random
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.routing.traces import Recorded
from tests.models.tiny import Tiny
from tests.serving.engines.processes import TOKEN, engine_process

VOCABULARY = 1024
PLAIN = 900
SHAPE = Tiny(VOCABULARY, 512, 4, 8, 4, 1536, half=True, endless=True)
CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from when a request should have been sent to its first token and to its end."""

    first_s: float
    whole_s: float


@dataclass(slots=True)
class LiveEngine:
    """Sends token ids drawn at random, so that no prompt has a prefix that is known."""

    url: str
    chance: random.Random

    def play(self, trace: Sequence[Recorded]) -> list[Timing]:
        """Every request at its time, in the order of the trace."""
        return asyncio.run(self._play(trace))

    async def _play(self, trace: Sequence[Recorded]) -> list[Timing]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=300) as http:
            begun = time.perf_counter() + 0.05
            return await asyncio.gather(*(self._ask(http, r, begun + r.at_s) for r in trace))

    async def _ask(self, http: httpx2.AsyncClient, request: Recorded, at: float) -> Timing:
        prompt = [self.chance.randrange(PLAIN) for _ in range(request.prompt)]
        body = {
            "model": "tiny/model", "prompt": prompt, "max_tokens": request.output,
            "ignore_eos": True, "temperature": 1.0, "stream": True,
        }  # fmt: skip
        await asyncio.sleep(at - time.perf_counter())
        first = None
        async with http.stream("POST", "/v1/completions", json=body) as answer:
            answer.raise_for_status()
            async for _ in answer.aiter_raw():
                first = first or time.perf_counter()
        ended = time.perf_counter()
        return Timing((first or ended) - at, ended - at)


@contextmanager
def live_engine(folder: Path, parallel: int) -> Generator[LiveEngine]:
    """On one thread: the other cores are the client's and everybody else's."""
    file = SHAPE.write(folder / "calibration.gguf")
    given = {"format": "gguf", "path": str(file), "parallel": parallel, "context_length": CONTEXT}
    with engine_process(**given, threads=1, speculate=False) as process:
        engine = LiveEngine(process.url, random.Random(0))
        engine.play([Recorded(0.0, 64, 8)])
        yield engine
