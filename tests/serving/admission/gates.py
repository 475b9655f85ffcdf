"""Gates for tests: in memory, and several over one Redis, each as its own gateway has it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from modelyard.registry.billing.quota import QuotaChange
from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.database import Database
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity
from modelyard.serving.admission.gate import Admission, Gate
from modelyard.serving.admission.open import open_gate
from modelyard.serving.admission.redis_gate import RedisGate
from modelyard.serving.admission.timings import SharedTimings
from modelyard.serving.errors import Limited
from modelyard.serving.settings import GatewaySettings

SECRET = "s" * 40
WITHIN_S = 60.0
PATIENT: dict[str, Any] = {"redis_patience_s": 10.0}
"""Other work on the machine must not make a test's Redis look dead."""

HOUR_US = 3_600_000_000

OpenGate = Callable[..., AbstractAsyncContextManager[Gate]]


@dataclass(frozen=True, slots=True)
class GateHarness:
    """A database with users, and perhaps a Redis: where gates are opened."""

    db: Database
    redis_url: str
    timings: SharedTimings = field(default_factory=SharedTimings)

    @asynccontextmanager
    async def gate(self, **limits: Any) -> AsyncGenerator[Gate]:
        """Once it has joined Redis, unless `joins` is False: then there is none to join."""
        joins = limits.pop("joins", True)
        settings = GatewaySettings(**(PATIENT | limits))
        async with open_gate(settings, self.db, self.redis_url, timings=self.timings) as gate:
            if self.redis_url and joins:
                await until(lambda: is_up(gate))
            yield gate

    @asynccontextmanager
    async def gates(self, number: int, **limits: Any) -> AsyncGenerator[list[Gate]]:
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.gate(**limits)) for _ in range(number)]

    def user(self, name: str) -> str:
        return Identity(self.db, SECRET).create_user(name, Role.USER).id

    def limit(self, user_id: str, requests: int, **more: Any) -> None:
        Quotas(self.db).set(
            user_id, QuotaChange(0, requests, 5, **{"expiration_time": None, **more})
        )


def is_up(gate: Gate) -> bool:
    """Whether it works with Redis."""
    assert isinstance(gate, RedisGate)
    return gate.pipe is not None


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.01)


async def tried(gate: Gate, user_id: str = "ada") -> Admission | Limited:
    """Let in, or why not."""
    try:
        return await gate.admit(user_id)
    except Limited as refusal:
        return refusal


async def let_in(gate: Gate, times: int, user_id: str = "ada") -> list[Admission]:
    """How many of so many at once are let in."""
    answers = await asyncio.gather(*(tried(gate, user_id) for _ in range(times)))
    return [answer for answer in answers if isinstance(answer, Admission)]
