"""What is kept ready around a promotion, against workers that answer as the real ones do."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiohttp import web
from sqlalchemy import update

from registry.database import utc_now
from registry.names import Format, ModelFacts, ModelVersion, StoredFile
from registry.promotions import Promotions
from registry.tables import AliasRow
from serving.routing.census import Census
from serving.routing.upstream import Upstream
from serving.routing.warmth import BACK_WITHIN, Warmth
from tests.serving.site import ALIVE_S, NOBODY, TOKEN, Site

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


def later(site: Site, number: int) -> ModelVersion:
    stored = site.shelf.store.put([b"better"])
    return site.shelf.catalog.register(
        name="talker",
        repo="talker",
        revision=f"{number}" * 40,
        facts=ModelFacts(Format.MOCK, "mock"),
        files=[StoredFile("model.mock", stored.sha256, stored.size)],
        metrics={},
    )


def age(site: Site, by: timedelta) -> None:
    """As if every alias had been set so long ago."""
    with site.database.begin() as session:
        session.execute(update(AliasRow).values(updated_at=utc_now() - by))


@asynccontextmanager
async def open_warmth(site: Site) -> AsyncGenerator[Warmth]:
    async with Upstream.open(TOKEN, silent_s=60) as upstream:
        census = Census(site.fleet, ALIVE_S, remember_s=0.0)
        yield Warmth(census, Promotions(site.database), upstream, load_timeout_s=60)


async def test_a_promotion_loads_the_new_and_keeps_the_old(site: Site) -> None:
    """The old one is kept for a while and no longer; a worker that is away holds nothing up."""
    old, other = site.shelf.add("talker"), site.shelf.add("other")
    tried, new = later(site, 1), later(site, 2)
    worker = Listener()
    async with worker.running() as url, open_warmth(site) as warmth:
        site.worker("a-gone", NOBODY, memory_free=1)
        site.worker("cpu-0", url, memory_free=2)
        for version in (old, tried, other):
            site.ready(version, "http://127.0.0.1:1", "cpu-0")
        await warmth.look()
        assert set(worker.kept.pop()) == {old.id, other.id}
        age(site, 2 * BACK_WITHIN)
        site.shelf.catalog.set_alias("talker", "champion", new.number)
        await warmth.look()
        assert worker.loaded == [new.id]
        site.ready(new, "http://127.0.0.1:2", "cpu-0")
        await warmth.look()
        await warmth.look()
        assert [set(kept) for kept in worker.kept] == [{old.id, new.id, other.id}]
        age(site, BACK_WITHIN + timedelta(seconds=1))
        await warmth.look()
        assert set(worker.kept[-1]) == {new.id, other.id}
    assert worker.loaded == [new.id]


async def test_every_gateway_keeps_the_same_way_back(site: Site) -> None:
    """One that starts after the promotion says what the others say, by the tables alone."""
    old, new = site.shelf.add("talker"), later(site, 1)
    worker = Listener()
    async with worker.running() as url, open_warmth(site) as first:
        site.worker("cpu-0", url)
        for version in (old, new):
            site.ready(version, "http://127.0.0.1:1", "cpu-0")
        site.shelf.catalog.set_alias("talker", "champion", new.number)
        site.shelf.catalog.set_alias("talker", "champion", new.number)
        await first.look()
        async with open_warmth(site) as second:
            await second.look()
    assert [set(kept) for kept in worker.kept] == [{old.id, new.id}] * 2


async def test_the_champion_of_a_model_that_nobody_uses_is_not_loaded(site: Site) -> None:
    """It waits for its first request."""
    site.shelf.add("talker")
    worker = Listener()
    async with worker.running() as url, open_warmth(site) as warmth:
        site.worker("cpu-0", url)
        await warmth.look()
    assert worker.loaded == []
