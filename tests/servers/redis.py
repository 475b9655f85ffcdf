"""A real Redis on loopback, which a test may kill and start again at the same address."""

import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis import Redis
from redis.exceptions import ConnectionError as NotThere

from modelyard.registry.process.ports import choose_port

_START_WITHIN_S = 120.0


@dataclass(slots=True)
class RedisServer:
    """A server that keeps nothing on disk: killed and started again, it is empty."""

    port: int
    _process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly"]
        self._process = subprocess.Popen(
            ["redis-server", *options, "no"], stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + _START_WITHIN_S
        while not self.answers():
            assert time.monotonic() < until, "Redis does not start"
            time.sleep(0.01)

    def answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as client:
                return bool(client.ping())
        except NotThere:
            return False

    def kill(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_redis() -> Generator[RedisServer]:
    server = RedisServer(choose_port(0, ""))
    server.start()
    try:
        yield server
    finally:
        server.kill()
