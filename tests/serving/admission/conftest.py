"""What the admission's tests stand on."""

from collections.abc import Generator

import pytest

from modelyard.registry.database import Database
from tests.servers.redis import RedisServer
from tests.serving.admission.gates import GateHarness


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
