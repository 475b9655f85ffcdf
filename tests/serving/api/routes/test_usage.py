"""What a request used is booked with it, and everybody sees their own."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.database import Database
from tests.serving.installation import Installation, once_it_speaks

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "talker", "messages": [{"role": "user", "content": "Say it"}]}


async def booked(database: Database, count: int) -> list[UsageRow]:
    async with asyncio.timeout(60):
        while True:
            with database.read() as session:
                rows = list(session.scalars(select(UsageRow).order_by(UsageRow.at)))
            if len(rows) >= count:
                return rows
            await asyncio.sleep(0.05)


async def test_an_answer_is_booked_with_what_it_used(installation: Installation) -> None:
    """Whole or streamed, with or without the client asking for usage: the engine's own counts."""
    version = installation.filled.add("talker")
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    with installation.engine(version):
        async with installation.client(installation.ada) as client:
            for more in ({}, {"stream": True}, streamed):
                answer = await client.post(CHAT, json={**ASK, "max_tokens": 3, **more})
                assert b": usage" not in answer.content
            rows = await booked(installation.database, 3)
    ada = installation.identity.authenticate_key(installation.ada).user_id
    for row in rows:
        assert (row.prompt_tokens, row.output_tokens, row.status) == (2, 3, "200")
        assert (row.user_id, row.model, row.version_id) == (ada, "talker", version.id)
        assert (row.device_id, row.route) == ("cpu-0", CHAT)
        assert row.first_byte_ms is not None
        assert 0 < row.first_byte_ms <= row.total_ms


async def test_two_requests_with_one_id_are_two_rows(lite: Installation) -> None:
    """The client chooses the id that is shown, never the one that is booked."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            for _ in range(2):
                given = {"X-Request-Id": "same"}
                await client.post(CHAT, json={**ASK, "max_tokens": 1}, headers=given)
            rows = await booked(lite.database, 2)
    assert [row.request_id for row in rows] == ["same", "same"]


async def test_what_never_reached_an_engine_is_not_booked(lite: Installation) -> None:
    """A model that is not there, a worker that is not there, a refusal of the engine."""
    version = lite.filled.add("talker")
    async with lite.client(lite.ada) as client:
        await client.post(CHAT, json={**ASK, "model": "nobody"})
        await client.post(CHAT, json=ASK)
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            await client.post(CHAT, json={**ASK, "temperature": 9})
            (row,) = await booked(lite.database, 1)
    assert (row.status, row.prompt_tokens, row.output_tokens) == ("400", 0, 0)


async def test_a_stream_that_breaks_is_booked_as_our_failure(lite: Installation) -> None:
    """With the events that came, and it counts against its device."""
    version = lite.filled.add("talker")
    with lite.engine(version, delay_s=0.3) as engine:
        async with lite.client(lite.ada) as client:
            body = {**ASK, "max_tokens": 400, "stream": True}
            asking = asyncio.create_task(client.post(CHAT, json=body))
            await once_it_speaks(engine)
            engine.process.kill()
            await asking
            (row,) = await booked(lite.database, 1)
            gpu = (await client.get("/api/v1/gpus")).json()["gpus"][0]
    assert row.status == "502"
    assert 0 < row.output_tokens < 400
    assert gpu["error_rate"] == 1.0


async def test_users_see_their_own_and_admins_everybody_s(lite: Installation) -> None:
    """By day, user and model; another's name is for admins."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        for key in (lite.ada, lite.admin):
            async with lite.client(key) as client:
                await client.post(CHAT, json={**ASK, "max_tokens": 2})
    await booked(lite.database, 2)
    async with lite.client(lite.ada) as client:
        assert await _users(client, "") == ["ada"]
        other = await client.get("/api/v1/usage?user=admin")
        wrong = await client.get("/api/v1/usage?days=0")
    async with lite.client(lite.admin) as client:
        assert await _users(client, "?days=1") == ["ada", "admin"]
        assert await _users(client, "?user=ada") == ["ada"]
    assert other.status_code == 403
    assert wrong.status_code == 400


async def _users(client: httpx2.AsyncClient, query: str) -> list[str]:
    usage = (await client.get(f"/api/v1/usage{query}")).json()["usage"]
    assert all(day["model"] == "talker" and day["output_tokens"] == 2 for day in usage)
    return [day["user"] for day in usage]
