"""A worker killed under load costs its own streams and nobody else's."""

import asyncio
import time

import pytest
from sqlalchemy import select

from modelyard.registry.billing.tables import UsageRow
from tests.serving.engines.processes import engine_process
from tests.serving.installation import TOKEN, Installation

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


KILLED = "cpu-1"


async def _ask(client: object, ended: list[tuple[float, int, bool]]) -> None:
    begun = time.time()
    body = {"model": "talker", "prompt": "Say", "max_tokens": 10, "stream": True}
    answer = await client.post("/v1/completions", json=body)  # type: ignore[attr-defined]
    whole = answer.content.endswith(b"data: [DONE]\n\n")
    ended.append((begun, answer.status_code, whole))


async def test_only_the_streams_of_the_killed_engine_break(lite: Installation) -> None:
    """Three engines, one killed: whatever comes from then on is answered elsewhere, at once."""
    version = lite.filled.add("talker")
    options = {"delay_s": 0.02}
    engines = [
        engine_process(
            internal_token=TOKEN, version_id=version.id, model_name=version.model, options=options
        )
        for _ in range(3)
    ]
    ended = list[tuple[float, int, bool]]()
    with engines[0] as one, engines[1] as two, engines[2] as three:
        for number, engine in enumerate((one, two, three)):
            lite.worker(f"cpu-{number}")
            lite.ready(version, engine.url, f"cpu-{number}")
        async with lite.client(lite.ada) as client, asyncio.TaskGroup() as group:
            killed_at = 0.0
            for number in range(240):
                group.create_task(_ask(client, ended))
                if number == 80:
                    two.process.kill()
                    two.process.wait()
                    killed_at = time.time()
                await asyncio.sleep(0.025)
    assert {status for _, status, _ in ended} == {200}
    broken = [begun for begun, _, whole in ended if not whole]
    assert all(begun <= killed_at for begun in broken)
    assert len(broken) <= 20
    before, after = _devices(lite, killed_at)
    assert KILLED in before
    assert len(after) >= 159
    assert KILLED not in after


def _devices(installation: Installation, at: float) -> tuple[list[str], list[str]]:
    """Where the requests from before and after that time were answered."""
    with installation.database.read() as session:
        rows = session.execute(select(UsageRow.at, UsageRow.device_id)).tuples().all()
    split = int(at * 1000)
    return [d for t, d in rows if t < split], [d for t, d in rows if t >= split]
