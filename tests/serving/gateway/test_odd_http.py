"""Odd and hostile HTTP at a real gateway: each is answered, and meanwhile so is everybody else."""

import json
import socket
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from tests.serving.engines.processes import StartedEngine
from tests.serving.installation import Installation, open_installation, state
from tests.serving.processes import PATIENT, GatewayProcess, environment, gateway_process

pytestmark = pytest.mark.slow

ASK = {"model": "talker", "messages": [{"role": "user", "content": "Say it"}], "max_tokens": 2}
WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class GatewayAndEngine:
    """A gateway process with an engine."""

    installation: Installation
    gateway: GatewayProcess
    engine: StartedEngine

    def head(self, more: str = "", **changed: object) -> bytes:
        """A chat request but for its last line and its body, which are to follow."""
        return (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: application/json\r\n{more}"
        ).encode()

    @property
    def authorization(self) -> str:
        return f"Authorization: Bearer {self.installation.ada}\r\n"

    def chat(self, more: str = "", **changed: object) -> bytes:
        body = json.dumps(ASK | changed).encode()
        return self.head(self.authorization + more) + b"Content-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )

    def open(self, address: str = "127.0.0.1") -> socket.socket:
        port = urlsplit(self.gateway.url).port
        return socket.create_connection(("127.0.0.1", port), WITHIN_S, (address, 0))

    def errors(self) -> list[dict[str, Any]]:
        """Lines of its log that say that something went wrong; it has ended then."""
        self.gateway.process.terminate()
        log = self.gateway.process.communicate(timeout=60)[1]
        lines = [json.loads(line) for line in log.splitlines()]
        return [line for line in lines if line["level"] != "warning"]

    def status(self, *services: bytes, address: str = "127.0.0.1") -> int:
        """Of the first answer to what is written; 0 where the connection ended without one."""
        with self.open(address) as connection:
            try:
                for part in services:
                    connection.sendall(part)
                return int(connection.recv(12)[9:12] or 0)
            except ConnectionError:
                return 0


@contextmanager
def whole(url: str, folder: Path, *, descriptors: int = 0) -> Generator[GatewayAndEngine]:
    with ExitStack() as stack:
        installation = stack.enter_context(open_installation(url, folder))
        version = installation.filled.add("talker")
        engine = stack.enter_context(installation.engine(version, delay_s=0.2))
        env = environment(folder, url) | PATIENT
        started = gateway_process(env, folder, descriptors=descriptors)
        yield GatewayAndEngine(installation, stack.enter_context(started), engine)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_each_oddity_is_answered_as_what_it_is(sqlite_url: str, tmp_path: Path) -> None:
    """None is a 500, none hangs, and the gateway says nothing about them."""
    with whole(sqlite_url, tmp_path) as this:
        body = json.dumps(ASK).encode()
        chunks = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
        auth = this.authorization.encode()
        end = b"\r\n"
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        cases = {
            "a header of 20 MiB": ((this.head(), b"A: " + b"a" * (20 << 20), end + end), 431),
            "200,000 headers": ((this.head(), b"A: b\r\n" * 200_000, end), 431),
            "authorization in a trailer": (
                (this.head("Transfer-Encoding: chunked\r\n"), end, chunks, auth, end),
                401,
            ),
            "two authorizations": ((this.head(), auth, auth, end), 400),
            "two authorizations for another route": (
                (b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n", auth, auth, end),
                400,
            ),
            "an offer of another protocol": ((this.chat(upgrade),), 200),
            "a version beyond 64 bits": ((this.chat(model="talker@99999999999999999999"),), 400),
            "a version beyond 32 bits": ((this.chat(model="talker@2147483648"),), 400),
            "a head without an end": ((this.head(),), 408),
        }
        found = {name: this.status(*services) for name, (services, _) in cases.items()}
        assert found == {name: status for name, (_, status) in cases.items()}
        assert this.status(this.chat()) == 200
        assert this.errors() == []


def test_mistakes_of_ours_are_lines_without_anybody_s_values(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A row that cannot be read breaks a route and a request to a model: a burst is few lines."""
    with whole(sqlite_url, tmp_path) as this:
        with this.installation.database.begin() as session:
            session.execute(text("UPDATE versions SET facts = 'no JSON'"))
        listing = f"GET /v1/models HTTP/1.1\r\nHost: x\r\n{this.authorization}\r\n".encode()
        for _ in range(50):
            assert this.status(listing) == 500
            assert this.status(this.chat(user="Rumpelstiltskin")) == 500
        lines = this.errors()
    assert {line["logger"] for line in lines} == {"modelyard.gateway", "uvicorn.error"}
    assert len(lines) == 10
    for line in lines:
        assert line["error"].startswith("JSONDecodeError")
        assert "registry/" in line["at"]
        told = json.dumps(line)
        assert len(told) < 3000
        assert this.installation.ada not in told
        assert "Rumpelstiltskin" not in told


@pytest.mark.parametrize("behind", [0, 1, 50])
def test_who_leaves_frees_the_engine(sqlite_url: str, tmp_path: Path, behind: int) -> None:
    """Streamed or not, with more asked behind it or nothing: the engine's work ends."""
    with whole(sqlite_url, tmp_path) as this:
        for stream in (True, False):
            client = this.open()
            client.sendall(this.chat(stream=stream, max_tokens=500))
            until(lambda: state(this.engine)["active"] == 1, "it does not begin")
            client.sendall(this.chat() * behind)
            client.close()
            until(lambda: state(this.engine)["active"] == 0, "it does not end")


def test_half_heads_keep_nobody_out_where_descriptors_are_few(
    sqlite_url: str, tmp_path: Path
) -> None:
    """500 of them where there are 256 descriptors: another address is answered, and the same."""
    with whole(sqlite_url, tmp_path, descriptors=256) as this, ExitStack() as stack:
        stream = stack.enter_context(this.open("127.0.0.2"))
        stream.sendall(this.chat(stream=True, max_tokens=500))
        until(lambda: state(this.engine)["active"] == 1, "it does not begin")
        for _ in range(5):
            for _ in range(100):
                client = stack.enter_context(this.open())
                client.sendall(this.head())
            for address in ("127.0.0.1", "127.0.0.2"):
                assert this.status(this.chat(), address=address) == 200
        assert state(this.engine)["active"] == 1
        stream.close()
        until(lambda: state(this.engine)["active"] == 0, "it does not end")
        assert this.errors() == []
