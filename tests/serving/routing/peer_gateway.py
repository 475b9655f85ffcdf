"""A gateway's router and its way to Redis, for tests that let several of them talk."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from modelyard.registry.fleet.fleet import EngineState, EngineView, Fleet, WorkerView
from modelyard.registry.fleet.report import DeviceReport
from modelyard.serving.admission.redis_gate import RedisGate
from modelyard.serving.routing.fleet.snapshot import FleetSnapshot, FleetSnapshotCache
from modelyard.serving.routing.peer_exchange import PeerExchange
from modelyard.serving.routing.policy.fleet_state import PendingRequest, WorkerState
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.router import Router
from modelyard.serving.upstream.client import Upstream
from tests.serving.admission.gates import GateHarness
from tests.serving.installation import TOKEN

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
DEVICES = ("one", "two", "three")


def fleet(**busy: int) -> FleetSnapshot:
    """Three devices that have the version; `busy`: the requests that one reports."""
    workers = tuple(
        WorkerView(name, f"http://{name}", 1, _device(busy.get(name, 0)), BEGIN, BEGIN)
        for name in DEVICES
    )
    engines = tuple(
        EngineView(name, "a", EngineState.READY, f"http://{name}/a", memory_bytes=1)
        for name in DEVICES
    )
    return FleetSnapshot(workers, engines)


def _device(busy: int) -> DeviceReport:
    return DeviceReport(name="card", slots=4, active_requests=busy)


@dataclass(slots=True)
class PeerGateway:
    """One gateway: its way to Redis, its router, and what it has at work."""

    gate: RedisGate
    router: Router
    stack: AsyncExitStack
    clock: Callable[[], float]
    pending_requests: list[PendingRequest] = field(default_factory=list[PendingRequest])

    @classmethod
    async def join(
        cls, place: GateHarness, clock: Callable[[], float] = time.monotonic
    ) -> "PeerGateway":
        stack = AsyncExitStack()
        gate = await stack.enter_async_context(place.gate())
        assert isinstance(gate, RedisGate)
        upstream = await stack.enter_async_context(Upstream.open(TOKEN, silent_s=60))
        router = Router(FleetSnapshotCache(Fleet(place.db), 15), upstream, 5)
        router.fleet_sync.update(fleet(), clock())
        return cls(gate, router, stack, clock)

    @property
    def workers(self) -> dict[str, WorkerState]:
        return {worker.device_id: worker for worker in self.router.core.cluster.workers}

    async def speak(self) -> None:
        await PeerExchange(self.router, self.gate, self.clock).exchange()

    def submit(self, tokens: int) -> PendingRequest:
        work = RoutedRequest("r", "ada", prompt_tokens=tokens)
        pending = self.router.core.submit(work, "a", self.clock())
        self.pending_requests.append(pending)
        return pending

    def finish(self, pending: PendingRequest) -> None:
        self.pending_requests.remove(pending)
        self.router.core.finished(pending, self.clock())


async def until(is_so: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.005)
