"""GET /api/v1/metrics tells a user of itself, an admin of everybody, and both of all devices."""

import asyncio
from typing import Any

import pytest

from tests.serving.api.requests.conftest import MODEL, id_of
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

FIELDS = {
    "timestamp",
    "minutes",
    "total_requests",
    "active_requests",
    "completed_requests",
    "failed_requests",
    "average_response_time",
    "p95_response_time",
    "p99_response_time",
    "gpu_utilization",
    "user_metrics",
}


@pytest.mark.usefixtures("talker")
async def test_each_sees_what_it_may(installation: Installation) -> None:
    """The fields are the contract's; the sums are those of the usage table."""
    ada = id_of(installation, installation.ada)
    admin = id_of(installation, installation.admin)
    asked = {"model": MODEL, "prompt": "Say", "max_tokens": 2}
    async with installation.client() as client:

        async def told(key: str) -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {key}"}
            answer = await client.get("/api/v1/metrics", params={"minutes": 5}, headers=headers)
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        for key in (installation.ada, installation.admin):
            headers = {"Authorization": f"Bearer {key}"}
            answer = await client.post("/v1/completions", json=asked, headers=headers)
            assert answer.status_code == 200
        async with asyncio.timeout(60):
            while (await told(installation.admin))["completed_requests"] != 2:
                await asyncio.sleep(0.2)
        own = await told(installation.ada)
        everybody = await told(installation.admin)
    assert set(own) == FIELDS
    assert own["user_metrics"].keys() == {ada}
    assert everybody["user_metrics"].keys() == {ada, admin}
    assert own["total_requests"] == own["completed_requests"] == 1
    assert own["failed_requests"] == own["active_requests"] == 0
    assert 0 < own["average_response_time"] <= own["p99_response_time"] * 2
    device = everybody["gpu_utilization"]["cpu-0"]
    assert device["memory_utilization"] == 3 / 8
    assert device["compute_utilization"] == 0.25
