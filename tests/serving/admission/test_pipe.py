"""The one connection to Redis: order, late replies, errors, and how one comes in."""

import asyncio
import os
import select
import signal
import ssl
import subprocess
import time
from collections.abc import AsyncGenerator, Container, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import pytest
from redis import Redis

from modelyard.registry.process.ports import choose_port
from modelyard.serving.admission.address import Address
from modelyard.serving.admission.pipe import Pipe, RedisGone, Script
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.anyio

ECHO = Script(b"return ARGV[1]", "0" * 40)
"""By a wrong name, so that it is never known."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that gateways run on: unlike asyncio's own it calls timers before it reads."""
    return "asyncio", {"use_uvloop": True}


PATIENCE_S = 60.0
"""On a busy machine it takes its time to come in."""


@asynccontextmanager
async def piped(url: str, lost: list[str] | None = None) -> AsyncGenerator[Pipe]:
    address = Address.of(url, PATIENCE_S)
    pipe = await address.connect(lambda: lost.append("lost") if lost is not None else None)
    try:
        yield pipe
    finally:  # uvloop's loop does not close before its connections have
        pipe.end("the test is over")


async def test_replies_come_in_order_to_whoever_asked(redis: RedisServer) -> None:
    """Also where somebody in between has left, or asked for nothing."""
    async with piped(redis.url) as pipe:
        asked = [pipe.ask("ECHO", str(number)) for number in range(100)]
        pipe.tell("SET", "told", "1")
        asked[50].cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [a for a in answers if isinstance(a, bytes)] == [
            str(number).encode() for number in range(100) if number != 50
        ]
        assert await pipe.ask("GET", "told") == b"1"


async def test_an_unknown_script_is_sent_whole(redis: RedisServer) -> None:
    """NOSCRIPT reaches nobody."""
    async with piped(redis.url) as pipe:
        assert await pipe.run(ECHO, 0, "hello") == b"hello"


async def test_an_error_ends_the_connection(redis: RedisServer) -> None:
    """A Redis that refuses is no help: whoever waits is told, and the owner is, once."""
    lost: list[str] = []
    async with piped(redis.url, lost) as pipe:
        waiting = [pipe.ask("NONSENSE"), pipe.ask("PING")]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in found] == [RedisGone, RedisGone]
        with pytest.raises(RedisGone):
            await pipe.ask("PING")
        pipe.tell("PING")
    assert lost == ["lost"]


async def test_a_late_reply_ends_the_connection(redis: RedisServer) -> None:
    """After the patience that holds then, not the one that held when it was opened."""
    async with piped(redis.url) as pipe:
        pipe.wait_at_most(0.05)
        begun = time.monotonic()
        with pytest.raises(RedisGone, match="in time"):
            await pipe.ask("BLPOP", "nothing", 100)
        assert 0.05 <= time.monotonic() - begun < 60


async def test_a_busy_loop_is_no_late_reply(redis: RedisServer) -> None:
    """What has arrived meanwhile is read before anybody is called late."""
    loop = asyncio.get_running_loop()
    others = _connections(redis)
    async with piped(redis.url) as pipe:
        for _ in range(3):
            pipe.wait_at_most(PATIENCE_S)
            os.kill(redis.pid, signal.SIGSTOP)
            begun = loop.time()
            asked = pipe.ask("PING")
            await _sent()
            os.kill(redis.pid, signal.SIGCONT)
            pipe.wait_at_most(loop.time() - begun + 0.05)
            _hang_until_it_is_here(redis, others)
            assert await asked == b"PONG"


async def _sent() -> None:
    """What was asked leaves at the end of the loop's next turn."""
    for _ in range(2):
        await asyncio.sleep(0)


def _hang_until_it_is_here(redis: RedisServer, others: Container[int]) -> None:
    """Hold up the loop for longer than it is patient, and until there is a reply to read.

    `others` are connections that tests before have left.
    """
    time.sleep(0.1)
    ours = [fd for fd in _connections(redis) if fd not in others]
    assert select.select(ours, [], [], 60)[0] == ours


def _connections(redis: RedisServer) -> list[int]:
    """This process's to `redis`, as file descriptors."""
    mine = psutil.Process().net_connections()
    return [c.fd for c in mine if c.raddr and c.raddr[1] == redis.port]


@contextmanager
def guarded(folder: Path) -> Generator[tuple[int, int]]:
    """A Redis that wants a password, on a plain port and on one with TLS."""
    plain = choose_port(0, "")
    encrypted = choose_port(0, "")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files],
        check=True,
        capture_output=True,
    )
    tls = ["--tls-port", str(encrypted), "--tls-auth-clients", "no"]
    tls += ["--tls-cert-file", str(folder / "cert"), "--tls-key-file", str(folder / "key")]
    tls += ["--tls-ca-cert-file", str(folder / "cert"), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        ["redis-server", "--port", str(plain), "--requirepass", "open sesame", *tls],
        stdout=subprocess.DEVNULL,
    ) as process:
        server = Redis(port=plain, password="open sesame")
        _until_it_answers(server)
        yield plain, encrypted
        server.close()
        process.kill()


def _until_it_answers(server: Redis) -> None:
    from redis.exceptions import ConnectionError as NotThere

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            server.ping()
        except NotThere:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("Redis does not start")


async def test_password_database_and_tls_are_in_the_url(tmp_path: Path) -> None:
    """rediss:// checks the certificate; a wrong password or certificate lets nobody in."""
    with guarded(tmp_path) as (plain, encrypted):
        trusted = f"?ssl_ca_certs={tmp_path / 'cert'}"
        for url in (
            f"redis://:open%20sesame@127.0.0.1:{plain}/3",
            f"rediss://default:open%20sesame@localhost:{encrypted}/3{trusted}",
        ):
            async with piped(url) as pipe:
                assert await pipe.ask("SET", "here", "1") == b"OK"
                assert b"db=3" in await pipe.ask("CLIENT", "INFO")
        with pytest.raises(RedisGone, match="WRONGPASS"):
            await Address.of(f"redis://:guess@127.0.0.1:{plain}", PATIENCE_S).connect(lambda: None)
        with pytest.raises(ssl.SSLError):
            await Address.of(f"rediss://localhost:{encrypted}", PATIENCE_S).connect(lambda: None)
