"""Live, ready, and measured."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from modelyard.serving.transport.listening.connections import Connections
from tests.servers.postgres import Postgres
from tests.serving.installation import SCRAPING, Installation, open_installation
from tests.serving.transport.listening.server import listening

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/health", "/health/live"])
async def test_live_says_that_the_process_answers(lite: Installation, path: str) -> None:
    """Without a credential, whatever else is missing."""
    async with lite.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_head_is_get_without_its_body(lite: Installation) -> None:
    """As load balancers and uptime checks ask; what is not there, or closed, is so for it too."""
    async with listening(lite.app(), Connections()) as port:
        base = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=base, trust_env=False, timeout=60) as client:
            await once_it_listens(client)
            admin = {"Authorization": f"Bearer {lite.admin}"}
            for path in ("/health", "/health/live", "/health/ready", "/api/v1/me", "/v1/models"):
                got = await client.get(path, headers=admin)
                head = await client.head(path, headers=admin)
                assert (head.status_code, head.content) == (got.status_code, b"")
                assert head.headers["Content-Length"] == str(len(got.content))
            assert (await client.head("/api/v1/me")).status_code == 401
            assert (await client.head("/nowhere", headers=admin)).status_code == 404
            assert (await client.head("/v1/completions", headers=admin)).status_code == 405


async def once_it_listens(client: httpx2.AsyncClient) -> None:
    """It does once the application has started."""
    async with asyncio.timeout(60):
        while True:
            try:
                await client.get("/health/live")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_ready_needs_a_living_worker(installation: Installation) -> None:
    """503 with the reason before, 200 once a worker has given a sign of life."""
    async with installation.client() as client:
        before = await client.get("/health/ready")
    installation.worker()
    async with installation.opened() as (client, services):
        after = await client.get("/health/ready")
        installation.worker(status="maintenance", reason="a new fan")
        services.snapshots.outdated()
        resting = await client.get("/health/ready")
    assert (resting.status_code, resting.json()["reasons"]) == (503, ["cpu-0 is in maintenance"])
    assert before.status_code == 503
    assert "no worker" in before.json()["reasons"][0]
    assert (after.status_code, after.json()["status"]) == (200, "ready")


async def test_a_database_that_is_away_is_the_reason(
    postgres: Postgres, postgres_template: str, tmp_path: Path
) -> None:
    """Readiness says so, routes say 503 and when to try again, and the process stays live."""
    url = postgres.create("away", postgres_template)
    with open_installation(url, tmp_path) as installation:
        async with installation.client(installation.ada) as client:
            postgres.drop("away")
            ready, me, live = [
                await client.get(path) for path in ("/health/ready", "/api/v1/me", "/health/live")
            ]
    assert ready.status_code == 503
    assert ready.json()["reasons"] == ["the database does not answer"]
    assert me.status_code == 503
    assert me.json()["code"] == "database_unavailable"
    assert me.headers["Retry-After"]
    assert live.status_code == 200


async def test_metrics_are_prometheus_text(lite: Installation) -> None:
    """For the scraper with its token, with the process's own figures."""
    async with lite.client() as client:
        await client.get("/health/live")
        answer = await client.get("/metrics", headers=SCRAPING)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "modelyard_requests_in_flight 1.0" in answer.text
    assert 'route="/health/live",status="200"' in answer.text


async def test_measures_are_for_prometheus_and_admins(lite: Installation) -> None:
    """They name models and count users' requests; the token for them opens nothing else."""
    async with lite.client() as client:
        answers = {
            who: await client.get("/metrics", headers={"Authorization": f"Bearer {key}"})
            for who, key in (("admin", lite.admin), ("ada", lite.ada), ("stranger", "wrong"))
        }
        elsewhere = await client.get("/api/v1/me", headers=SCRAPING)
    assert {who: answer.status_code for who, answer in answers.items()} == {
        "admin": 200,
        "ada": 403,
        "stranger": 401,
    }
    assert "modelyard keys metrics" in answers["ada"].json()["fix"]
    assert elsewhere.status_code == 401
