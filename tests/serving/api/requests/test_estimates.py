"""An estimate is given with each request, and compared with what happened."""

import asyncio

import pytest

from tests.serving.api.requests.conftest import asking, ended, id_of
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("talker")
async def test_its_error_is_a_metric(installation: Installation) -> None:
    """Of the start and of the end, each once."""
    user_id = id_of(installation, installation.ada)
    async with installation.opened(installation.ada) as (client, services):
        told = (await client.post("/api/v1/route", json=asking(user_id))).json()
        await ended(client, told["request_id"])
        stats = services.metrics.estimates
        async with asyncio.timeout(60):
            while not sum(stats.end.counts):
                await services.requests.estimates.look()
        text = services.metrics.text().decode()
    assert sum(stats.start.counts) == sum(stats.end.counts) == 1
    assert 'modelyard_jobs_estimate_error_count{of="start"} 1.0' in text
