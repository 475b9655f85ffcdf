"""Shared answers hold exactly until a commit changes them, and never stand in the way."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest
from pydantic import SecretStr

from modelyard.registry.catalog.adapters import AdapterCatalog
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.changes import Changes
from modelyard.registry.fleet.fleet import Fleet, WorkerView
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.identity.caller import Caller, Role
from modelyard.registry.installation import open_database, open_store
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.gateway.queries import Queries
from modelyard.serving.shared_cache import SharedCache
from tests.servers.redis import RedisServer, running_redis
from tests.serving.worker.filled_catalog import FilledCatalog

ADMIN = Caller("1", "root", Role.ADMIN)


PATIENCE_S = 30.0
"""Other work on the machine makes no Redis look dead, and no answer old."""


@pytest.fixture
def redis() -> Generator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def settings(database_url: str, redis: RedisServer, tmp_path: Path) -> RegistrySettings:
    return RegistrySettings(
        data_dir=tmp_path, database_url=database_url, redis_url=SecretStr(redis.url)
    )


@pytest.fixture
def filled(settings: RegistrySettings) -> Generator[FilledCatalog]:
    """What writes to the catalog: another process, for all that the readers know."""
    database = open_database(settings.model_copy(update={"redis_url": SecretStr("")}))
    url = settings.redis_url.get_secret_value()
    Changes.to(url, answer_s=PATIENCE_S).follow(database)
    yield FilledCatalog(Catalog(database), open_store(settings))
    database.close()


@pytest.fixture
async def queries(settings: RegistrySettings) -> AsyncGenerator[Callable[[], Queries]]:
    """Makes gateways' readers, each with connections of its own."""
    database = open_database(settings)
    made: list[SharedCache] = []
    url = settings.redis_url.get_secret_value()

    def make() -> Queries:
        made.append(SharedCache.at(url, answer_s=PATIENCE_S, keep_s=600))
        return Queries(made[-1], Catalog(database), Fleet(database))

    yield make
    for cache in made:
        await cache.aclose()
    database.close()


async def names(queries: Queries) -> list[str]:
    return [version.ref for version in await queries.versions(ADMIN)]


async def test_an_answer_holds_until_the_commit_that_changes_it(
    filled: FilledCatalog, queries: Callable[[], Queries]
) -> None:
    """Every kind of write is seen by the next question, at every gateway, without waiting."""
    one = queries()
    other = queries()
    assert await names(one) == await names(other) == []
    first = filled.add("a/one")
    assert await names(one) == await names(other) == [first.ref]
    filled.catalog.set_alias("a/one", "stable", 1)
    assert (await other.versions(ADMIN))[0].aliases == ("champion", "stable")
    adapters = AdapterCatalog(filled.catalog.db)
    added = adapters.add("a/one", "pirate", first.main)
    assert (await other.versions(ADMIN))[0].adapters == (added,)
    assert (await one.versions(ADMIN))[0].adapters == (added,)  # as it was kept
    adapters.remove(added)
    assert (await other.versions(ADMIN))[0].adapters == ()
    filled.catalog.remove(ModelRef("a/one"))
    assert await names(one) == await names(other) == []


async def test_what_one_gateway_asked_another_need_not(
    filled: FilledCatalog, queries: Callable[[], Queries], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer in Redis is whole: dates, nested facts and all; the database is left in peace."""
    version = filled.add("a/one")
    assert await queries().versions(ADMIN) == [version]
    other = queries()
    other.catalog.db.close()
    monkeypatch.setattr(Catalog, "list", lambda *_: pytest.fail("the database was asked"))
    assert await other.versions(ADMIN) == [version]


async def test_heartbeats_are_seen_at_once(
    filled: FilledCatalog, queries: Callable[[], Queries]
) -> None:
    """Statements without rows in the session, such as a heartbeat's, count as changes too."""
    fleet = Fleet(filled.catalog.db)
    reader = queries()
    fleet.register_worker("cpu-0", "http://127.0.0.1:9", 1, DeviceReport(temperature=1))
    before: list[WorkerView] = await reader.workers()
    fleet.heartbeat("cpu-0", DeviceReport(temperature=2))
    (after,) = await reader.workers()
    assert (before[0].device.temperature, after.device.temperature) == (1, 2)


async def test_an_answer_overtaken_by_a_commit_is_not_kept(
    filled: FilledCatalog, queries: Callable[[], Queries], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow look that began before a write ends after it: the next asker gets the new state."""
    reader = queries()
    look = Catalog.list

    def slowly(catalog: Catalog, caller: Caller | None = None) -> list[object]:
        found = look(catalog, caller)
        filled.add("a/one")
        return list(found)

    with monkeypatch.context() as patched:
        patched.setattr(Catalog, "list", slowly)
        assert await names(reader) == []
    assert await names(reader) == ["a/one@1"]


async def test_a_thousand_askers_cost_one_look(
    filled: FilledCatalog, queries: Callable[[], Queries], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change does not send every user of a gateway to the database."""
    filled.add("a/one")
    looks: list[int] = []
    look = Catalog.list

    def counted(catalog: Catalog, caller: Caller | None = None) -> object:
        looks.append(1)
        return look(catalog, caller)

    monkeypatch.setattr(Catalog, "list", counted)
    reader = queries()
    answers = await asyncio.gather(*(names(reader) for _ in range(1000)))
    assert (len(looks), set(map(tuple, answers))) == (1, {("a/one@1",)})


async def test_without_redis_the_database_answers(
    filled: FilledCatalog, queries: Callable[[], Queries], redis: RedisServer
) -> None:
    """Redis killed: reads and writes go on; back and empty: what was written meanwhile is seen."""
    reader = queries()
    filled.add("a/one")
    assert await names(reader) == ["a/one@1"]
    redis.kill()
    filled.add("a/two")
    assert await names(reader) == ["a/one@1", "a/two@1"]
    redis.start()
    await asyncio.sleep(1.1)
    assert await names(reader) == ["a/one@1", "a/two@1"]
    filled.add("a/three")
    assert await names(reader) == ["a/one@1", "a/three@1", "a/two@1"]


async def test_nobody_sees_anothers_private_models(
    filled: FilledCatalog, queries: Callable[[], Queries]
) -> None:
    """Answers are kept by who asked: a user's is not the administrator's."""
    filled.add("a/one")
    reader = queries()
    assert await names(reader) == ["a/one@1"]
    ada = await reader.versions(Caller("2", "ada", Role.USER))
    bob = await reader.versions(Caller("3", "bob", Role.USER))
    assert [v.ref for v in ada] == [v.ref for v in bob] == ["a/one@1"]
