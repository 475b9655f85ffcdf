"""A PostgreSQL that takes connections and answers nothing, as one whose machine hangs."""

import asyncio
import os
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from modelyard.registry.database import Database
from tests.servers.postgres import Postgres
from tests.serving.installation import Installation, open_installation

pytestmark = pytest.mark.anyio
ANSWER_S = 1.0
SOON_S = 5.0
"""What is known is given after a second at most; the rest is for a busy machine."""

MODEL = "ada/parrot"
NOTE = "the database does not answer"


@pytest.fixture
def patient(postgres_url: str, tmp_path: Path) -> Generator[Installation]:
    """An installation whose gateway gives a statement one second."""
    with open_installation(postgres_url, tmp_path) as installation:
        short = installation.settings.model_copy(update={"database_answer_s": ANSWER_S})
        yield replace(installation, settings=short)


async def test_a_gateway_answers_from_what_it_knows_and_recovers(
    patient: Installation, postgres: Postgres
) -> None:
    """Requests go on, health says what is wrong, strangers get a 503; nothing is left behind."""
    version = patient.filled.add(MODEL)
    with patient.engine(version):
        async with patient.client(patient.ada) as client:
            assert (await _ask(client)).status_code == 200
            assert (await client.get("/health/ready")).json()["reasons"] == []
            threads = threading.active_count()
            with postgres.stopped():
                await _check_goes_on(client)
                strangers = await asyncio.gather(*(_as_stranger(client, n) for n in range(4)))
                assert set(strangers) == {503}
                await _check_goes_on(client)
            async with asyncio.timeout(60):
                while (await client.get("/health/ready")).json()["reasons"]:
                    await asyncio.sleep(0.05)
            assert await _as_stranger(client, 5) == 401
            assert (await _ask(client)).status_code == 200
            assert threading.active_count() <= threads + _pool_of_threads()
            assert postgres.connections() <= 2 * POOL


POOL = 10
"""Connections that the gateway keeps, and that the test's own database does."""


def _pool_of_threads() -> int:
    """How many threads asyncio makes for blocking calls, all in all."""
    return min(32, (os.cpu_count() or 1) + 4)


async def _check_goes_on(client: httpx2.AsyncClient) -> None:
    """An answer in time, a process that lives, and a health that names what is wrong."""
    started = time.monotonic()
    assert (await client.get("/health/live")).status_code == 200
    ready = await _once_noticed(client)
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert NOTE in ready.json()["reasons"][0]
    assert (await _ask(client)).status_code == 200
    assert time.monotonic() - started < SOON_S


async def _once_noticed(client: httpx2.AsyncClient) -> httpx2.Response:
    """What was read a second ago is still new, so that the first look may know nothing yet."""
    while True:
        ready = await client.get("/health/ready")
        if ready.json()["reasons"]:
            return ready
        await asyncio.sleep(0.05)


async def _ask(client: httpx2.AsyncClient) -> httpx2.Response:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
    return await client.post("/v1/chat/completions", json=body)


async def _as_stranger(client: httpx2.AsyncClient, number: int) -> int:
    """The status for a key that this gateway has never seen."""
    headers = {"Authorization": f"Bearer my_nobody{number}"}
    return (await client.get("/api/v1/me", headers=headers)).status_code


def test_a_statement_is_given_up_and_its_connection_with_it(
    postgres: Postgres, postgres_url: str
) -> None:
    """Within its limit; as soon as the server goes on, so does the database."""
    database = Database.connect(postgres_url, answer_s=1.0)
    with database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    started = time.monotonic()
    with postgres.stopped(), pytest.raises(OperationalError), database.read() as session:
        session.scalar(text("SELECT 1"))
    assert time.monotonic() - started < 1.0 + 2.0 + SOON_S, "the look at the old, then a new one"
    with database.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.close()
