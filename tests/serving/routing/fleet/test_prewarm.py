"""What is kept ready around a promotion, against workers that answer as the real ones do."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiohttp import web
from sqlalchemy import update

from modelyard.registry.catalog.model import Format, ModelFacts, ModelVersion, StoredFile
from modelyard.registry.catalog.preparations import Preparations
from modelyard.registry.catalog.promotions import Promotions
from modelyard.registry.catalog.tables import AliasRow
from modelyard.registry.database import utc_now
from modelyard.serving.routing.fleet.prewarm import BACK_WITHIN, Prewarmer
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
from modelyard.serving.upstream.client import Upstream
from tests.serving.installation import ALIVE_S, NOBODY, TOKEN, Installation

pytestmark = pytest.mark.anyio


@dataclass(slots=True)
class Listener:
    """A worker's control server that writes down what it is told."""

    kept: list[list[str]] = field(default_factory=list[list[str]])
    loaded: list[str] = field(default_factory=list[str])

    async def keep(self, request: web.Request) -> web.Response:
        self.kept.append((await request.json())["version_ids"])
        return web.Response(status=204)

    async def load(self, request: web.Request) -> web.Response:
        self.loaded.append(request.match_info["version_id"])
        return web.json_response({"url": "http://127.0.0.1:1001"})

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        app = web.Application()
        app.router.add_put("/keep", self.keep)
        app.router.add_post("/engines/{version_id}", self.load)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


def later(installation: Installation, number: int) -> ModelVersion:
    stored = installation.filled.store.put([b"better"])
    return installation.filled.catalog.register(
        name="talker",
        repo="talker",
        revision=f"{number}" * 40,
        facts=ModelFacts(Format.MOCK, "mock"),
        files=[StoredFile("model.mock", stored.sha256, stored.size)],
        metrics={},
    )


def age(installation: Installation, by: timedelta) -> None:
    """As if every alias had been set so long ago."""
    with installation.database.begin() as session:
        session.execute(update(AliasRow).values(updated_at=utc_now() - by))


@asynccontextmanager
async def open_warmth(installation: Installation) -> AsyncGenerator[Prewarmer]:
    async with Upstream.open(TOKEN, silent_s=60) as upstream:
        snapshots = FleetSnapshotCache(installation.fleet, ALIVE_S, remember_s=0.0)
        promotions = Promotions(installation.database)
        preparations = Preparations(installation.database)
        yield Prewarmer(snapshots, promotions, preparations, upstream, load_timeout_s=60)


async def test_a_promotion_loads_the_new_and_keeps_the_old(installation: Installation) -> None:
    """The old one is kept for a while and no longer; a worker that is away holds nothing up."""
    old = installation.filled.add("talker")
    other = installation.filled.add("other")
    tried = later(installation, 1)
    new = later(installation, 2)
    worker = Listener()
    async with worker.running() as url, open_warmth(installation) as prewarmer:
        installation.worker("a-gone", NOBODY, memory_free=1)
        installation.worker("cpu-0", url, memory_free=2)
        for version in (old, tried, other):
            installation.ready(version, "http://127.0.0.1:1", "cpu-0")
        await prewarmer.look()
        assert set(worker.kept.pop()) == {old.id, other.id}
        age(installation, 2 * BACK_WITHIN)
        installation.filled.catalog.set_alias("talker", "champion", new.number)
        await prewarmer.look()
        assert worker.loaded == [new.id]
        installation.ready(new, "http://127.0.0.1:2", "cpu-0")
        await prewarmer.look()
        await prewarmer.look()
        assert [set(kept) for kept in worker.kept] == [{old.id, new.id, other.id}]
        age(installation, BACK_WITHIN + timedelta(seconds=1))
        await prewarmer.look()
        assert set(worker.kept[-1]) == {new.id, other.id}
    assert worker.loaded == [new.id]


async def test_what_is_being_prepared_leaves_last(installation: Installation) -> None:
    """As the champion does; once it is given up, it is as any other."""
    old = installation.filled.add("talker")
    new = later(installation, 1)
    worker = Listener()
    async with worker.running() as url, open_warmth(installation) as prewarmer:
        installation.worker("cpu-0", url)
        for version in (old, new):
            installation.ready(version, "http://127.0.0.1:1", "cpu-0")
        ticket = prewarmer.preparations.begin(new, "champion", 60)
        await prewarmer.look()
        prewarmer.preparations.give_up(ticket)
        await prewarmer.look()
    assert [set(kept) for kept in worker.kept] == [{old.id, new.id}, {old.id}]


async def test_every_gateway_keeps_the_same_way_back(installation: Installation) -> None:
    """One that starts after the promotion says what the others say, by the tables alone."""
    old = installation.filled.add("talker")
    new = later(installation, 1)
    worker = Listener()
    async with worker.running() as url, open_warmth(installation) as first:
        installation.worker("cpu-0", url)
        for version in (old, new):
            installation.ready(version, "http://127.0.0.1:1", "cpu-0")
        installation.filled.catalog.set_alias("talker", "champion", new.number)
        installation.filled.catalog.set_alias("talker", "champion", new.number)
        await first.look()
        async with open_warmth(installation) as second:
            await second.look()
    assert [set(kept) for kept in worker.kept] == [{old.id, new.id}] * 2


async def test_the_champion_of_a_model_that_nobody_uses_is_not_loaded(
    installation: Installation,
) -> None:
    """It waits for its first request."""
    installation.filled.add("talker")
    worker = Listener()
    async with worker.running() as url, open_warmth(installation) as prewarmer:
        installation.worker("cpu-0", url)
        await prewarmer.look()
    assert worker.loaded == []
