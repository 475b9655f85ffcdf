"""A worker killed under load costs its own streams and nobody else's."""

import asyncio
import time

import pytest

from tests.serving.engines.processes import engine_process
from tests.serving.site import TOKEN, Site

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def _ask(client: object, took: list[tuple[float, float, int, bool]]) -> None:
    begun = time.monotonic()
    body = {"model": "talker", "prompt": "Say", "max_tokens": 10, "stream": True}
    answer = await client.post("/v1/completions", json=body, timeout=30)  # type: ignore[attr-defined]
    whole = answer.content.endswith(b"data: [DONE]\n\n")
    took.append((begun, time.monotonic() - begun, answer.status_code, whole))


async def test_only_the_streams_of_the_killed_engine_break(lite: Site) -> None:
    """Three engines, one killed: new requests go elsewhere at once, p99 is back within 5 s."""
    version = lite.shelf.add("talker")
    options = {"delay_s": 0.02}
    engines = [
        engine_process(
            internal_token=TOKEN, version_id=version.id, model_name=version.model, options=options
        )
        for _ in range(3)
    ]
    took = list[tuple[float, float, int, bool]]()
    with engines[0] as one, engines[1] as two, engines[2] as three:
        for number, engine in enumerate((one, two, three)):
            lite.worker(f"cpu-{number}")
            lite.ready(version, engine.url, f"cpu-{number}")
        async with lite.client(lite.ada) as client:
            tasks = list[asyncio.Task[None]]()
            killed_at = 0.0
            for number in range(240):
                tasks.append(asyncio.create_task(_ask(client, took)))
                if number == 80:
                    killed_at = time.monotonic()
                    two.process.kill()
                await asyncio.sleep(0.025)
            await asyncio.gather(*tasks)
    assert {status for _, _, status, _ in took} == {200}
    broken = [begun for begun, _, _, whole in took if not whole]
    assert all(begun <= killed_at for begun in broken)
    assert len(broken) <= 20
    before = sorted(s for begun, s, _, _ in took if begun < killed_at - 0.5)
    after = sorted(s for begun, s, _, _ in took if begun > killed_at + 3.0)
    assert after[int(0.99 * (len(after) - 1))] < 2 * before[-1] + 0.5
