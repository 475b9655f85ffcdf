"""What all tests of serving may ask for."""

from collections.abc import Generator
from pathlib import Path

import pytest
from redis import Redis

from tests.servers.redis import RedisServer, running_redis
from tests.serving.installation import Installation, open_installation


@pytest.fixture
def anyio_backend() -> str:
    """The product runs on asyncio alone."""
    return "asyncio"


@pytest.fixture
def installation(sqlite_url: str, tmp_path: Path) -> Generator[Installation]:
    """A whole installation, on the small kind of database."""
    with open_installation(sqlite_url, tmp_path) as installation:
        yield installation


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
