"""A gateway's router and its way to Redis, for tests that let several of them talk."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from registry.fleet import EngineView, Fleet, WorkerView
from registry.names import EngineState
from serving.admission.redis_gate import RedisGate
from serving.routing import sharing
from serving.routing.census import Census, Snapshot
from serving.routing.fleet_state import Ticket, Worker
from serving.routing.router import Router
from serving.routing.running import Running
from serving.routing.sharing import Sharing
from serving.routing.upstream import Upstream
from serving.routing.work import Work
from tests.serving.admission.gates import Place
from tests.serving.site import TOKEN

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
DEVICES = ("one", "two", "three")


def fleet(**busy: int) -> Snapshot:
    """Three devices that have the version; `busy`: the requests that one reports."""
    workers = tuple(
        WorkerView(name, f"http://{name}", 1, _device(busy.get(name, 0)), BEGIN, BEGIN)
        for name in DEVICES
    )
    engines = tuple(
        EngineView(name, "a", EngineState.READY, f"http://{name}/a", memory_bytes=1)
        for name in DEVICES
    )
    return Snapshot(workers, engines)


def _device(busy: int) -> dict[str, object]:
    return {"name": "card", "slots": 4, "active_requests": busy}


@dataclass(slots=True)
class Member:
    """One gateway: its way to Redis, its router, and what it has at work."""

    gate: RedisGate
    router: Router
    stack: AsyncExitStack
    tickets: list[Ticket] = field(default_factory=list[Ticket])

    @classmethod
    async def join(cls, place: Place) -> "Member":
        stack = AsyncExitStack()
        gate = await stack.enter_async_context(place.gate())
        assert isinstance(gate, RedisGate)
        upstream = await stack.enter_async_context(Upstream.open(TOKEN, silent_s=60))
        router = Router(Census(Fleet(place.db), 15), upstream, Running(), 5)
        router.observed.update(fleet(), sharing.time.monotonic())
        return cls(gate, router, stack)

    @property
    def workers(self) -> dict[str, Worker]:
        return {worker.device_id: worker for worker in self.router.core.yard.workers}

    async def speak(self) -> None:
        await Sharing(self.router, self.gate).exchange()

    def submit(self, tokens: int) -> Ticket:
        work = Work("r", "ada", prompt_tokens=tokens)
        ticket = self.router.core.submit(work, "a", sharing.time.monotonic())
        self.tickets.append(ticket)
        self.router.act()
        return ticket

    def finish(self, ticket: Ticket) -> None:
        self.tickets.remove(ticket)
        self.router.core.finished(ticket, sharing.time.monotonic())


async def until(is_so: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.005)
