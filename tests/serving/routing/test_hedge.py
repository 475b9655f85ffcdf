"""A request that hears nothing is sent to one more worker, before engines that answer for real."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
from sqlalchemy import select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.routing.retries import FLOOR, SHARE
from modelyard.serving.routing.router import Router
from modelyard.serving.routing.running import RunningRequests
from modelyard.serving.settings import GatewaySettings
from tests.serving.engines.processes import StartedEngine, engine_process
from tests.serving.installation import TOKEN, Installation, state
from tests.serving.routing.peer_gateway import until
from tests.serving.routing.stand_in import StandIn

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

AFTER_S = 0.2
NEVER_S = 600.0
OWN = "cpu-0"
OTHER = "cpu-1"
"""The second has something to do already: a request goes to the first."""


@dataclass(frozen=True, slots=True)
class HedgingGateway:
    """A gateway that hedges, and its insides."""

    installation: Installation
    client: httpx2.AsyncClient
    router: Router
    running: RunningRequests

    async def ask(self, *, stream: bool = False, words: int = 3) -> httpx2.Response:
        self.router.snapshots.outdated()  # what the test has just written is to be known
        body = {"model": "talker", "prompt": "Say", "max_tokens": words, "stream": stream}
        return await self.client.post("/v1/completions", json=body)

    def is_at_rest(self) -> bool:
        """Whether nothing is reserved anywhere."""
        cluster = self.router.core.cluster
        replicas = [replica for worker in cluster.workers for replica in worker.replicas.values()]
        reserved = [w for w in cluster.workers if w.sent or w.held or w.queue.free_at]
        return (
            not reserved and not any(x.busy for x in replicas) and not any(cluster.orphans.values())
        )

    def rows(self) -> list[tuple[str, str, int]]:
        with self.installation.database.read() as session:
            found = session.scalars(select(UsageRow))
            return [(row.device_id, row.status, row.output_tokens) for row in found]


@pytest.fixture
def version(installation: Installation) -> ModelVersion:
    return installation.filled.add("talker")


@asynccontextmanager
async def door(installation: Installation, **settings: float) -> AsyncGenerator[HedgingGateway]:
    async with installation.opened(installation.ada, **({"hedge_after_s": AFTER_S} | settings)) as (
        client,
        parts,
    ):
        yield HedgingGateway(installation, client, parts.gateway.router, parts.running)


def engines(
    stack: ExitStack, installation: Installation, version: ModelVersion, *prefill_s: float
) -> list[StartedEngine]:
    """One engine on each device, which begins to write after so many seconds."""
    found = list[StartedEngine]()
    for seconds in prefill_s:
        options = {"prefill_s": seconds}
        started = engine_process(
            internal_token=TOKEN, version_id=version.id, model_name=version.model, options=options
        )
        found.append(stack.enter_context(started))
    stand(installation, version, *(engine.url for engine in found))
    return found


def stand(installation: Installation, version: ModelVersion, *urls: str) -> None:
    """On each device an engine that answers there."""
    for number, url in enumerate(urls):
        installation.worker(f"cpu-{number}", active_requests=number)
        installation.ready(version, url, f"cpu-{number}")


def active(engine: StartedEngine) -> int:
    return int(state(engine)["active"])


@pytest.mark.parametrize("stream", [True, False])
async def test_the_first_byte_wins_and_the_other_is_cut_off(
    installation: Installation, version: ModelVersion, *, stream: bool
) -> None:
    """It is booked once, on the winner's device, and nothing is learned of who was cut off."""
    with ExitStack() as stack:
        slow, _ = engines(stack, installation, version, NEVER_S, 0.0)
        async with door(installation) as gateway:
            answer = await gateway.ask(stream=stream)
            assert answer.status_code == 200
            assert b" world" in answer.content
            assert gateway.is_at_rest()
            await until(lambda: active(slow) == 0)
            cluster = gateway.router.core.cluster
            own = gateway.router.fleet_sync.worker(OWN)
            assert own is not None
            assert (own.prompts, own.slowdown.factor) == (0, 1.0)
            assert len(gateway.router.ejection) == 0
            assert cluster.demands.of(version.id).arrivals == 1
            assert not gateway.running.on(OWN) + gateway.running.on(OTHER)
        assert gateway.rows() == [(OTHER, "200", 3)]


async def test_it_is_off_unless_it_is_asked_for(
    installation: Installation, version: ModelVersion
) -> None:
    """Nobody is sent a request twice, however long the first takes."""
    assert GatewaySettings.model_fields["hedge_after_s"].default == 0
    with ExitStack() as stack:
        engines(stack, installation, version, 0.6, 0.0)
        async with door(installation, hedge_after_s=0.0) as gateway:
            assert (await gateway.ask()).status_code == 200
        assert gateway.rows() == [(OWN, "200", 3)]


async def test_both_may_fail(installation: Installation, version: ModelVersion) -> None:
    """Then it is as without: the client is told to come back, nothing is booked or kept."""
    with ExitStack() as stack:
        both = engines(stack, installation, version, NEVER_S, NEVER_S)
        async with door(installation) as gateway:
            asking = asyncio.create_task(gateway.ask(stream=True))
            await until(lambda: [active(engine) for engine in both] == [1, 1])
            for engine in both:
                engine.process.kill()
            answer = await asking
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert gateway.is_at_rest()
            assert set(gateway.router.fleet_sync.gone) == {engine.url for engine in both}
        assert gateway.rows() == []


@pytest.mark.parametrize("killed", [0, 1])
async def test_one_may_fail(installation: Installation, version: ModelVersion, killed: int) -> None:
    """Whichever ends in the race, the other's answer counts, and the dead one is known to be."""
    other = StandIn(may=(may := asyncio.Event()))
    with ExitStack() as stack:
        (own,) = engines(stack, installation, version, NEVER_S)
        async with other.running() as url, door(installation) as gateway:
            stand(installation, version, *((url, own.url) if killed else (own.url, url)))
            asking = asyncio.create_task(gateway.ask(stream=True))
            await until(lambda: (active(own), other.asked) == (1, 1))
            own.process.kill()
            own.process.wait()
            await asyncio.sleep(0.1)  # its connection is closed: now the gateway has read so
            may.set()
            assert (await asking).status_code == 200
            assert gateway.is_at_rest()
            assert set(gateway.router.fleet_sync.gone) == {own.url}
        assert gateway.rows() == [((OTHER, OWN)[killed], "200", 1)]


async def test_a_client_that_leaves_in_the_race_ends_both(
    installation: Installation, version: ModelVersion
) -> None:
    """Both engines stop, and it is booked once, as left."""
    with ExitStack() as stack:
        both = engines(stack, installation, version, NEVER_S, NEVER_S)
        async with door(installation) as gateway:
            asking = asyncio.create_task(gateway.ask(stream=True))
            await until(lambda: [active(engine) for engine in both] == [1, 1])
            asking.cancel()
            await asyncio.wait({asking})
            assert gateway.is_at_rest()
            await until(lambda: [active(engine) for engine in both] == [0, 0])
        assert gateway.rows() == [(OWN, "499", 0)]


async def test_a_spent_budget_hedges_nothing(
    installation: Installation, version: ModelVersion
) -> None:
    """Who has to wait waits, rather than doubling the work of a fleet in trouble."""
    with ExitStack() as stack:
        engines(stack, installation, version, 0.6, 0.0)
        async with door(installation) as gateway:
            while gateway.router.may_retry():
                pass
            assert (await gateway.ask()).status_code == 200
        assert gateway.rows() == [(OWN, "200", 3)]


@pytest.mark.parametrize("other", ["full", "cold", "in error"])
async def test_only_a_free_worker_that_has_the_version_is_asked(
    installation: Installation, version: ModelVersion, other: str
) -> None:
    """No place is waited for and nothing is loaded: the request stays where it is."""
    with ExitStack() as stack:
        (_,) = engines(stack, installation, version, 0.6)
        spare = engine_process(
            internal_token=TOKEN, version_id=version.id, model_name=version.model
        )
        url = stack.enter_context(spare).url
        installation.worker(
            OTHER,
            active_requests=1,
            slots=1 if other == "full" else 4,
            status="error" if other == "in error" else "available",
        )
        if other != "cold":
            installation.ready(version, url, OTHER)
        async with door(installation) as gateway:
            assert (await gateway.ask()).status_code == 200
            assert gateway.is_at_rest()
        assert gateway.rows() == [(OWN, "200", 3)]


@asynccontextmanager
async def stand_ins(
    installation: Installation, version: ModelVersion, *found: StandIn
) -> AsyncGenerator[None]:
    async with found[0].running() as one, found[1].running() as two:
        stand(installation, version, one, two)
        yield


@pytest.mark.parametrize("status", [500, 503])
async def test_a_refusal_does_not_win(
    installation: Installation, version: ModelVersion, status: int
) -> None:
    """A worker that cannot is quick to say so; the one that is at work goes on."""
    other = StandIn(status)
    own = StandIn(seconds=0.3, may=other.answered)
    async with stand_ins(installation, version, own, other), door(installation) as gateway:
        assert (await gateway.ask()).status_code == 200
        assert gateway.is_at_rest()
    assert (own.asked, other.asked) == (1, 1)


async def test_two_refusals_are_one(installation: Installation, version: ModelVersion) -> None:
    """The client gets what its own worker said."""
    other = StandIn(500)
    own = StandIn(503, seconds=0.3, may=other.answered)
    async with stand_ins(installation, version, own, other), door(installation) as gateway:
        assert (await gateway.ask()).status_code == 503
        assert gateway.is_at_rest()


async def test_hedges_are_within_the_budget(
    installation: Installation, version: ModelVersion
) -> None:
    """However slow a worker is, attempts are at most a fifth more than requests, and a few."""
    slow = StandIn(seconds=0.2)
    other = StandIn(seconds=0.2)
    requests = 80
    async with (
        stand_ins(installation, version, slow, other),
        door(installation, hedge_after_s=0.02) as gateway,
    ):
        for _ in range(4):
            answers = await asyncio.gather(*(gateway.ask() for _ in range(requests // 4)))
            assert {answer.status_code for answer in answers} == {200}
        assert gateway.is_at_rest()
    attempts = slow.asked + other.asked
    assert requests < attempts <= requests * (1 + SHARE) + FLOOR
    assert len(gateway.rows()) == requests
