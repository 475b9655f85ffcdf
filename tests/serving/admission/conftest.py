"""What the admission's tests stand on."""

from collections.abc import Generator

import pytest
from redis import Redis

from modelyard.registry.database import Database
from tests.servers.redis import RedisServer, running_redis
from tests.serving.admission.gates import GateHarness


@pytest.fixture(scope="session")
def redis_server() -> Generator[RedisServer]:
    """A Redis of our own; a machine that has none fails."""
    with running_redis() as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """Running and empty, whatever the last test did to it."""
    if not redis_server.answers():
        redis_server.start()
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def lite_db(sqlite_url: str) -> Generator[Database]:
    """For what the kind of database has no part in."""
    database = Database.connect(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def shared(lite_db: Database, redis: RedisServer) -> GateHarness:
    """Gates over one Redis."""
    return GateHarness(lite_db, redis.url)


@pytest.fixture(params=["memory", "redis"])
def place(request: pytest.FixtureRequest, lite_db: Database) -> GateHarness:
    """The same test runs on both gates."""
    if request.param == "memory":
        return GateHarness(lite_db, "")
    server: RedisServer = request.getfixturevalue("redis")
    return GateHarness(lite_db, server.url)
