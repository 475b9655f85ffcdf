"""Choosing an engine, against workers that answer as the real ones do."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.errors import NoWorker, WorkerRefused, WorkerUnreachable
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
from modelyard.serving.routing.policy.overtaking import QueueOrder
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.router import REFUSED_S, Router
from modelyard.serving.upstream.client import Upstream
from modelyard.serving.upstream.target import Target
from tests.serving.installation import ALIVE_S, NOBODY, TOKEN, Installation

pytestmark = pytest.mark.anyio


@dataclass(slots=True)
class ControlStandIn:
    """A worker's control server: answers with the next of its addresses, the last one for good."""

    urls: list[str] = field(default_factory=lambda: ["http://127.0.0.1:1001"])
    refusal: dict[str, str] | None = None
    asked: int = 0
    delay_s: float = 0.05
    may: asyncio.Event | None = None

    async def load(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        await asyncio.sleep(self.delay_s)
        if self.may is not None:
            await self.may.wait()
        if self.refusal:
            return web.json_response(self.refusal, status=503)
        url = self.urls.pop(0) if len(self.urls) > 1 else self.urls[0]
        return web.json_response({"url": url, "load_s": 0.1, "memory_bytes": 1})

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        app = web.Application()
        app.router.add_post("/engines/{version_id}", self.load)
        runner = web.AppRunner(app)
        await runner.setup()
        installation = web.TCPSite(runner, "127.0.0.1", 0)
        await installation.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


@pytest.fixture
def version(installation: Installation) -> ModelVersion:
    return installation.filled.add("talker")


@asynccontextmanager
async def open_router(installation: Installation) -> AsyncGenerator[Router]:
    async with Upstream.open(TOKEN, silent_s=60) as upstream:
        yield Router(
            FleetSnapshotCache(installation.fleet, ALIVE_S),
            upstream,
            load_timeout_s=60,
        )


async def pick(router: Router, version: ModelVersion) -> Target:
    """Where a small request goes."""
    held = await router.reserve(version, RoutedRequest("r", "ada", prompt_tokens=10))
    held.end()
    return held.target


async def test_the_least_busy_engine_is_chosen(
    installation: Installation, version: ModelVersion
) -> None:
    """What the workers last reported and what this gateway sent both count."""
    for device, active in (("cpu-0", 3), ("cpu-1", 1), ("cpu-2", 2)):
        installation.worker(device, active_requests=active)
        installation.ready(version, f"http://{device}", device)
    async with open_router(installation) as router:
        assert (await pick(router, version)).device_id == "cpu-1"


async def test_asks_at_the_same_time_are_one_load(
    installation: Installation, version: ModelVersion
) -> None:
    """Fifty requests for a version that nobody has make one worker load it once."""
    worker = ControlStandIn()
    async with worker.running() as url, open_router(installation) as router:
        installation.worker("cpu-0", url)
        targets = await asyncio.gather(*(pick(router, version) for _ in range(50)))
    assert worker.asked == 1
    assert {t.url for t in targets} == {"http://127.0.0.1:1001"}


async def test_an_asker_that_leaves_does_not_end_the_load(
    installation: Installation, version: ModelVersion
) -> None:
    """The other who waits gets the engine."""
    worker = ControlStandIn(may=(may := asyncio.Event()))
    async with worker.running() as url, open_router(installation) as router:
        installation.worker("cpu-0", url)
        leaves, stays = (asyncio.create_task(pick(router, version)) for _ in range(2))
        async with asyncio.timeout(60):
            while not (worker.asked and len(router.waiting) == 2):
                await asyncio.sleep(0.01)
        leaves.cancel()
        await asyncio.wait({leaves})
        may.set()
        assert (await stays).url == "http://127.0.0.1:1001"
    assert worker.asked == 1


async def test_the_worker_with_most_free_memory_is_asked(
    installation: Installation, version: ModelVersion
) -> None:
    """One in error is not asked however much it has."""
    small = ControlStandIn()
    large = ControlStandIn()
    async with small.running() as one, large.running() as two, open_router(installation) as router:
        installation.worker("cpu-0", one, memory_free=1)
        installation.worker("cpu-1", two, memory_free=2)
        installation.worker("cpu-2", NOBODY, memory_free=3, status="error")
        assert (await pick(router, version)).device_id == "cpu-1"
    assert (small.asked, large.asked) == (0, 1)


async def test_a_refusal_sends_the_ask_to_the_next_worker(
    installation: Installation, version: ModelVersion
) -> None:
    """A full or unreachable worker is passed over."""
    full = ControlStandIn(refusal={"code": "device_full", "detail": "full"})
    other = ControlStandIn()
    async with full.running() as one, other.running() as two, open_router(installation) as router:
        installation.worker("cpu-0", NOBODY, memory_free=3)
        installation.worker("cpu-1", one, memory_free=2)
        installation.worker("cpu-2", two, memory_free=1)
        assert (await pick(router, version)).device_id == "cpu-2"


async def test_the_worker_s_reason_reaches_the_asker(
    installation: Installation, version: ModelVersion
) -> None:
    """Code, numbers and the way out are the worker's own."""
    problem = {"code": "does_not_fit", "detail": "needs 9 GiB", "fix": "Take a smaller one."}
    worker = ControlStandIn(refusal=problem)
    async with worker.running() as url, open_router(installation) as router:
        installation.worker("cpu-0", url)
        with pytest.raises(WorkerRefused, match="needs 9 GiB") as refused:
            await pick(router, version)
    assert refused.value.code == "does_not_fit"
    assert refused.value.fix == "Take a smaller one."


async def test_nobody_to_ask_is_said_as_such(
    installation: Installation, version: ModelVersion
) -> None:
    """No worker at all, and workers that do not answer, are different things."""
    async with open_router(installation) as router:
        with pytest.raises(NoWorker):
            await pick(router, version)
        installation.worker()
        router.snapshots.outdated()
        router.fleet_sync.absences.return_s = 0.3
        with pytest.raises(WorkerUnreachable):
            await pick(router, version)


async def test_a_device_in_maintenance_is_said_as_such(
    installation: Installation, version: ModelVersion
) -> None:
    """A worker runs: to start one would not help, to end the maintenance would."""
    installation.worker("cpu-0", NOBODY, status="maintenance", reason="a new fan")
    async with open_router(installation) as router:
        with pytest.raises(NoWorker, match=r"cpu-0 is in maintenance \(a new fan\)") as told:
            await pick(router, version)
    assert "modelyard gpus" in told.value.fix


async def test_who_comes_while_the_only_worker_is_started_anew_is_answered(
    installation: Installation, version: ModelVersion
) -> None:
    """It was killed: requests wait for the one that takes its place, and are told of no failure."""
    installation.worker("cpu-0", NOBODY)
    worker = ControlStandIn()
    async with open_router(installation) as router, worker.running() as url:
        waiting = [asyncio.create_task(pick(router, version)) for _ in range(3)]
        async with asyncio.timeout(60):
            while not router.fleet_sync.absences.any_awaited(time.monotonic()):
                await asyncio.sleep(0.01)
        begun = time.monotonic()
        installation.worker("cpu-0", url)
        router.snapshots.outdated()
        targets = await asyncio.gather(*waiting)
        assert time.monotonic() - begun < REFUSED_S
    assert {t.url for t in targets} == {"http://127.0.0.1:1001"}
    assert worker.asked == 1


async def test_an_engine_that_is_gone_is_left_alone_until_its_worker_knows(
    installation: Installation, version: ModelVersion
) -> None:
    """The worker is asked again until it names another engine than the dead one."""
    dead = "http://127.0.0.1:1001"
    fresh = "http://127.0.0.1:1002"
    worker = ControlStandIn(urls=[dead, dead, fresh], delay_s=0)
    async with worker.running() as url, open_router(installation) as router:
        installation.worker("cpu-0", url)
        installation.ready(version, dead)
        target = await pick(router, version)
        assert target == Target(version.id, "cpu-0", dead)
        router.gone(target)
        assert (await pick(router, version)).url == fresh
    assert worker.asked == 3


@pytest.mark.parametrize("order", QueueOrder)
async def test_the_order_that_is_set_is_that_of_every_device(
    installation: Installation, order: QueueOrder
) -> None:
    """`MODELYARD_QUEUE_ORDER` reaches the devices that the gateway comes to know."""
    async with installation.opened(queue_order=order.value) as (_, parts):
        worker = parts.gateway.router.core.cluster.add_worker("gpu-9", "card", 1)
        assert worker.overtaking.order is order
