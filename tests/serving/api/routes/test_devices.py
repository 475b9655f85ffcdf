"""Devices over the API: what is measured, and honestly nothing where nothing is."""

import asyncio
import re
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from modelyard.registry.database import utc_now
from modelyard.registry.fleet.tables import WorkerRow
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import JobType, NewJob
from modelyard.registry.jobs.queue import JobQueue
from tests.serving.installation import ALIVE_S, Installation, device_report

pytestmark = pytest.mark.anyio

SUMMARY = {
    "gpu_id": "cpu-0",
    "name": "Test processor",
    "status": "available",
    "reason": "",
    "alias": "",
    "compute_capability": None,
    "memory_total": 8_000_000_000,
    "memory_used": 3_000_000_000,
    "memory_free": 5_000_000_000,
    "utilization": 0.25,
    "temperature": None,
    "power_usage": None,
    "power_limit": None,
    "active_requests": 0,
    "queued_requests": 0,
    "performance_index": 1.0,
    "performance_samples": 0,
    "error_rate": None,
    "uptime": 12.5,
}


async def test_the_list_has_every_field_and_null_for_what_is_unknown(
    installation: Installation,
) -> None:
    """The fields are the contract's; what a device does not tell is null."""
    installation.worker()
    async with installation.client(installation.ada) as client:
        assert (await client.get("/api/v1/gpus")).json() == {"gpus": [SUMMARY]}


async def test_without_workers_the_list_is_empty(lite: Installation) -> None:
    """No device is no error."""
    async with lite.client(lite.ada) as client:
        assert (await client.get("/api/v1/gpus")).json() == {"gpus": []}


async def test_an_unknown_device_is_a_404_problem(lite: Installation) -> None:
    """The problem names the id and where to find those that are there."""
    async with lite.client(lite.ada) as client:
        answer = await client.get("/api/v1/gpus/gpu-9")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "gpu-9" in answer.json()["detail"]


async def test_a_silent_worker_s_device_is_in_error(installation: Installation) -> None:
    """Without a heartbeat nothing about the load is claimed any more."""
    begun = time.monotonic()
    installation.worker()
    with installation.database.begin() as session:
        session.execute(update(WorkerRow).values(heartbeat_at=utc_now() - SILENT))
    async with installation.client(installation.ada) as client:
        (gpu,) = (await client.get("/api/v1/gpus")).json()["gpus"]
    assert gpu["status"] == "error"
    found = re.search(r"no sign of life for (\d+) s", gpu["reason"])
    assert found is not None
    assert -1 < int(found[1]) - SILENT.total_seconds() < time.monotonic() - begun + 1
    assert gpu["utilization"] is None
    assert gpu["uptime"] is None


SILENT = timedelta(seconds=2 * ALIVE_S)
PACES = {"v": {"8": [400, 100.0], "256": [100, 1000.0]}}
SLOWER = {"v": {"8": [600, 80.0], "256": [200, 1100.0], "64": [90, 5.0]}}


async def _performance(installation: Installation) -> dict[str, tuple[float, int]]:
    async with installation.client(installation.ada) as client:
        gpus = (await client.get("/api/v1/gpus")).json()["gpus"]
        shown = (await client.get("/api/v1/gpus/gpu-1")).json()
    found = {g["gpu_id"]: (g["performance_index"], g["performance_samples"]) for g in gpus}
    assert found["gpu-1"] == (shown["performance_index"], shown["performance_samples"])
    return found


async def test_a_device_s_speed_is_compared_with_the_best_at_the_same_work(
    installation: Installation,
) -> None:
    """Steps of one size against steps of one size, weighed by how many there were."""
    installation.worker("gpu-0", paces=PACES)
    installation.worker("gpu-1", paces=SLOWER)
    found = await _performance(installation)
    assert found["gpu-0"] == (pytest.approx((400 + 100 * 1000 / 1100) / 500, abs=1e-4), 500)
    assert found["gpu-1"] == (pytest.approx((600 * 0.8 + 200) / 800, abs=1e-4), 800)


async def test_what_no_other_device_serves_makes_none_slower(lite: Installation) -> None:
    """Another version, another size or too few steps are no comparison; no steps, no samples."""
    lite.worker("gpu-0", paces=PACES)
    lite.worker("gpu-1", paces={"v": {"8": [19, 1.0], "64": [50, 1.0]}, "w": {"8": [70, 2.0]}})
    lite.worker("gpu-2")
    found = await _performance(lite)
    assert found == {"gpu-0": (1.0, 500), "gpu-1": (1.0, 120), "gpu-2": (1.0, 0)}


async def test_a_silent_device_is_nobody_s_measure(lite: Installation) -> None:
    """What it did once says nothing of what the fleet can do now."""
    lite.worker("gpu-0", paces=PACES)
    with lite.database.begin() as session:
        session.execute(update(WorkerRow).values(heartbeat_at=utc_now() - SILENT))
    lite.worker("gpu-1", paces=SLOWER)
    found = await _performance(lite)
    assert found == {"gpu-0": (1.0, 0), "gpu-1": (1.0, 890)}


async def test_what_waits_in_an_engine_is_not_running(lite: Installation) -> None:
    """Six were sent to an engine of four slots: four run and two wait, and none counts twice."""
    version = lite.filled.add("talker")
    with lite.engine(version, delay_s=0.5):
        async with lite.opened(lite.ada) as (client, services):
            talking = [asyncio.create_task(_talk(client, words=400)) for _ in range(6)]
            async with asyncio.timeout(60):
                while len(services.running.on("cpu-0")) < 6:
                    await asyncio.sleep(0.02)
            lite.fleet.heartbeat("cpu-0", device_report(active_requests=4, queued_requests=2))
            (listed,) = (await client.get("/api/v1/gpus")).json()["gpus"]
            for task in talking:
                task.cancel()
            await asyncio.wait(talking)
    assert (listed["active_requests"], listed["queued_requests"]) == (4, 2)


async def test_a_device_counts_the_requests_that_it_lists(lite: Installation) -> None:
    """Those of this gateway and the queued ones that another process has there, each once."""
    version = lite.filled.add("talker")
    queue = JobQueue(lite.database)
    queue.submit([_job("another"), _job("another")])
    on_device, waiting = queue.claim("elsewhere/1", ClaimRequest(models={"talker": 2}))
    queue.begun(on_device, "talker@1", "cpu-0")
    with lite.engine(version, delay_s=0.5):
        async with lite.opened(lite.ada, dispatch="off") as (client, services):
            talking = asyncio.create_task(_talk(client, words=400))
            async with asyncio.timeout(60):
                while not services.running.on("cpu-0"):
                    await asyncio.sleep(0.02)
            listed, shown = await _both(client, lite)
            lite.fleet.heartbeat("cpu-0", device_report(active_requests=1, queued_requests=1))
            one_waits = await _both(client, lite)
            own = (await _detail(client, lite.ada))["active_requests"]
            talking.cancel()
            await asyncio.wait({talking})
    assert (listed, len(shown)) == (2, 2)
    assert shown[0]["request_id"] == on_device.job.id
    assert waiting.job.id not in {each["request_id"] for each in shown}
    assert one_waits == (1, shown[:1])
    assert own == []


async def _both(client: Any, installation: Installation) -> tuple[int, list[dict[str, Any]]]:
    """How many the list counts, and those that the device lists for an admin."""
    (listed,) = (await client.get("/api/v1/gpus")).json()["gpus"]
    return listed["active_requests"], (await _detail(client, installation.admin))["active_requests"]


def _job(user_id: str) -> NewJob:
    return NewJob(
        id=str(uuid.uuid4()),
        user_id=user_id,
        asked_by=user_id,
        model="talker",
        type=JobType.INFERENCE,
        path="/v1/completions",
        body=b"{}",
        priority=3,
        timeout_s=600,
        digest="0" * 64,
    )


async def test_one_device_shows_the_requests_that_the_caller_may_see(lite: Installation) -> None:
    """A user sees its own, an admin everybody's; when they end they are gone."""
    version = lite.filled.add("talker")
    bob = _bob(lite)
    with lite.engine(version, delay_s=0.5):
        async with lite.client(lite.ada) as client:
            talking = asyncio.create_task(_talk(client, words=400))
            async with asyncio.timeout(60):
                while not (await _detail(client, lite.ada))["active_requests"]:
                    await asyncio.sleep(0.02)
            seen = {key: await _detail(client, key) for key in (lite.ada, lite.admin, bob)}
            listed = (await client.get("/api/v1/gpus")).json()["gpus"]
            talking.cancel()
            await asyncio.wait({talking})
            left = await _detail(client, lite.admin)
            await _talk(client, words=1)
            after = await _detail(client, lite.admin)
    for key in (lite.ada, lite.admin):
        (request,) = seen[key]["active_requests"]
        assert request["model_id"] == "talker@1"
        assert request["progress"] is None
    assert seen[bob]["active_requests"] == []
    assert listed[0]["active_requests"] == 1
    assert left["active_requests"] == after["active_requests"] == []
    assert after["processes"] == [{"pid": 7, "name": "engine", "memory_used": 1000}]


def _bob(installation: Installation) -> str:
    from modelyard.registry.identity.caller import Role

    installation.identity.create_user("bob", Role.USER)
    return installation.identity.create_key("bob", "test")


async def _talk(client: Any, words: int) -> None:
    body = {"model": "talker", "prompt": "Say", "max_tokens": words}
    assert (await client.post("/v1/completions", json=body)).status_code == 200


async def _detail(client: Any, key: str) -> dict[str, Any]:
    answer = await client.get("/api/v1/gpus/cpu-0", headers={"Authorization": f"Bearer {key}"})
    return dict(answer.json())
