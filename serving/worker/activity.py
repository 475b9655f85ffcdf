"""An engine's load, as the engine itself reports it."""

from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from modelyard.registry.fleet.report import Speeds

ANSWER_S = 2.0


@dataclass(frozen=True, slots=True)
class Activity:
    """Active and queued requests, a running token count, and request slots.

    `step_s` is for how many seconds the current step has been running.
    `paces` are the speeds that the engine measured, as in `modelyard.serving.engines.paces`.
    """

    active: int = 0
    queued: int = 0
    tokens: int = 0
    slots: int = 0
    step_s: float = 0.0
    paces: Speeds = field(default_factory=dict[str, tuple[int, float]])

    @property
    def is_idle(self) -> bool:
        return self.active + self.queued == 0


@dataclass(frozen=True, slots=True)
class ActivityReader:
    """Queries engines over one HTTP session that carries the internal token.

    `answer_s` is the timeout of each request in seconds.
    """

    session: aiohttp.ClientSession
    answer_s: float = ANSWER_S

    @property
    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=self.answer_s)

    async def answers(self, url: str) -> bool:
        """Whether a Modelyard worker or engine answers at `url`."""
        try:
            async with self.session.get(f"{url}/health", timeout=self._timeout) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def metrics(self, url: str) -> str:
        """An engine's metrics in Prometheus text format; empty if the engine does not answer."""
        try:
            async with self.session.get(f"{url}/metrics", timeout=self._timeout) as answer:
                return await answer.text() if answer.ok else ""
        except (aiohttp.ClientError, TimeoutError):
            return ""

    async def read(self, url: str) -> Activity | None:
        """The engine's activity; None if it does not answer, which callers treat as busy."""
        try:
            async with self.session.get(f"{url}/state", timeout=self._timeout) as answer:
                answer.raise_for_status()
                state: dict[str, Any] = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            return None  # also between an engine's death and the worker noticing it
        tokens = int(state.get("prompt_tokens", 0)) + int(state.get("generated_tokens", 0))
        return Activity(
            active=int(state["active"]),
            queued=int(state["queued"]),
            tokens=tokens,
            slots=int(state.get("slots", 0)),
            step_s=float(state.get("step_s", 0.0)),
            paces=msgspec.convert(state.get("paces", {}), dict[str, tuple[int, float]]),
        )
