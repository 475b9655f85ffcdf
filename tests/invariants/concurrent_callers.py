"""Callers that stream answers from several models at once, and how each of their requests ended."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import aiohttp

ANSWER = aiohttp.ClientTimeout(total=600)


class End(StrEnum):
    """How a request ended: whole, refused or broken off with an error that says so, or lost."""

    WHOLE = "whole"
    TOLD = "told"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """One request, from when it was sent until it ended (monotonic seconds), and what came."""

    model: str
    begun: float
    first: float | None
    over: float
    end: End
    detail: str = ""


@dataclass(slots=True)
class ConcurrentCallers:
    """`callers` for each model, each sending one request after another until `leaving`."""

    url: str
    key: str
    models: tuple[str, ...]
    callers: int
    tokens: int
    ended: list[FinishedRequest] = field(default_factory=list[FinishedRequest])
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        headers = {"authorization": f"Bearer {self.key}"}
        async with aiohttp.ClientSession(headers=headers, timeout=ANSWER) as session:
            callers = itertools.product(self.models, range(self.callers))
            await asyncio.gather(*(self._call(session, model) for model, _ in callers))

    async def _call(self, session: aiohttp.ClientSession, model: str) -> None:
        for number in itertools.count():
            if self.leaving.is_set():
                return
            body = {
                "model": model,
                "prompt": f"Say {number}",
                "max_tokens": self.tokens,
                "stream": True,
            }
            seen = _Progress(model)
            try:
                async with session.post(f"{self.url}/v1/completions", json=body) as answer:
                    await seen.read(answer)
            except (aiohttp.ClientError, TimeoutError) as error:
                seen.lost(repr(error))
            self.ended.append(seen.ended())


@dataclass(slots=True)
class _Progress:
    """What has come of one request so far."""

    model: str
    begun: float = field(default_factory=time.monotonic)
    first: float | None = None
    end: End = End.LOST
    detail: str = "it ended without an end"

    async def read(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status != 200:
            self.told(await answer.text())
            return
        async for line in answer.content:
            self.first = self.first or time.monotonic()
            for text in _data(line):
                self._event(text)

    def _event(self, text: str) -> None:
        if text == "[DONE]":
            if self.end is not End.TOLD:
                self.end = End.WHOLE
                self.detail = ""
        elif "error" in json.loads(text):
            self.told(text)

    def told(self, detail: str) -> None:
        self.end = End.TOLD
        self.detail = detail

    def lost(self, detail: str) -> None:
        self.end = End.LOST
        self.detail = detail

    def ended(self) -> FinishedRequest:
        over = time.monotonic()
        return FinishedRequest(self.model, self.begun, self.first, over, self.end, self.detail)


def _data(line: bytes) -> Iterator[str]:
    if line.startswith(b"data: "):
        yield line[6:].decode().strip()
