"""The worker's door: only with the token, answers with addresses, problems with codes."""

from typing import cast

import aiohttp
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route

from modelyard.registry.fleet.proof import asking_token, is_proof
from modelyard.serving.worker.control import Control
from modelyard.serving.worker.residency.residency import Residency
from tests.serving.worker.filled_catalog import FilledCatalog
from tests.serving.worker.residency_harness import MIB, TOKEN, open_harness

METRICS = "measures-" * 4


def door(residency: Residency, token: str = TOKEN) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(Control(residency, TOKEN, METRICS).app())
    headers = {"authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(transport=transport, base_url="http://worker", headers=headers)


async def test_a_loaded_version_answers_where_it_was_said_to(catalog_files: FilledCatalog) -> None:
    """POST loads and gives the engine's address; GET /state shows it; DELETE takes it away."""
    version = catalog_files.add("a/one")
    async with open_harness(catalog_files) as harness, door(harness.residency) as worker:
        loaded = (await worker.post(f"/engines/{version.id}", timeout=30)).raise_for_status().json()
        assert (loaded["version_id"], loaded["model"]) == (version.id, "a/one@1")
        async with harness.session.get(f"{loaded['url']}/health") as answer:
            assert answer.status == 200
        state = (await worker.get("/state")).json()
        assert state["device"]["gpu_id"] == "paper-0"
        assert [(e["version_id"], e["state"]) for e in state["engines"]] == [(version.id, "ready")]
        assert (await worker.delete(f"/engines/{version.id}")).status_code == 204
        with pytest.raises(aiohttp.ClientConnectionError):
            await harness.session.get(f"{loaded['url']}/health")


@pytest.mark.parametrize("token", ["wrong", "", METRICS])
async def test_without_the_token_nothing_is_said(catalog_files: FilledCatalog, token: str) -> None:
    """Every route and method, and what is not there, is a 401; the measures' token is no other."""
    asked = [(m, r.path) for r in _routes() for m in sorted(r.methods or ())]
    asked += [("GET", "/nothing"), ("OPTIONS", "/state"), ("HEAD", "/health"), ("POST", "/keep")]
    async with open_harness(catalog_files) as harness, door(harness.residency, token) as stranger:
        for method, path in asked:
            if (token, path) != (METRICS, "/metrics"):
                answer = await stranger.request(method, path)
                assert (answer.status_code, path) == (401, path)


async def test_a_worker_proves_its_secret_to_whoever_may_only_ask(
    catalog_files: FilledCatalog,
) -> None:
    """The question carries no secret, and its answer is good for this question alone."""
    async with open_harness(catalog_files) as harness:
        async with door(harness.residency, asking_token(TOKEN)) as asker:
            answers = [(await asker.get(f"/health?nonce={n}")).json() for n in ("a", "b")]
            assert [is_proof(a["proof"], TOKEN, n) for a, n in zip(answers, "ab", strict=True)]
            assert answers[0] != answers[1]
            assert (await asker.get("/state")).status_code == 401
        async with door(harness.residency, asking_token("another" * 5)) as stranger:
            assert (await stranger.get("/health?nonce=a")).status_code == 401


async def test_a_web_page_is_refused_whatever_it_has(catalog_files: FilledCatalog) -> None:
    """No browser has a token of ours, so a page with one is somebody else's."""
    page = {"origin": "http://127.0.0.1:8080"}
    async with open_harness(catalog_files) as harness, door(harness.residency) as worker:
        assert (await worker.get("/health", headers=page)).status_code == 401
        assert (await worker.get("/metrics", headers=page)).status_code == 401


def _routes() -> list[Route]:
    app = Control(cast("Residency", None), TOKEN, METRICS).app()
    return [route for route in app.routes if isinstance(route, Route)]


async def test_a_refusal_is_a_problem_with_code_and_way_out(catalog_files: FilledCatalog) -> None:
    """An RFC 9457 body: status, detail, the stable code and the fix."""
    version = catalog_files.add("a/huge")
    async with (
        open_harness(catalog_files, memory=8 * MIB) as harness,
        door(harness.residency) as worker,
    ):
        answer = await worker.post(f"/engines/{version.id}")
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["code"]) == (503, "does_not_fit")
        assert "8.0 MiB in all" in problem["detail"]
        assert problem["fix"]
        unknown = await worker.post("/engines/nope")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "model_not_found")


async def test_what_is_kept_warm_leaves_last(catalog_files: FilledCatalog) -> None:
    """PUT /keep replaces what was said before; a wrong body is refused."""
    one = catalog_files.add("a/one")
    two = catalog_files.add("a/two")
    async with open_harness(catalog_files) as harness, door(harness.residency) as worker:
        for version in (one, two):
            await harness.residency.ensure(version.id)
        for kept in ([one.id, "gone"], [two.id]):
            answer = await worker.put("/keep", json={"version_ids": kept})
            assert answer.status_code == 204
        told = {r.config.version_id: r.holding().kept for r in harness.residency.residents}
        wrong = await worker.put("/keep", json={"version_ids": "all"})
    assert told == {one.id: False, two.id: True}
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_value")


async def test_prometheus_scrapes_one_page_for_all_engines(catalog_files: FilledCatalog) -> None:
    """Each engine's series with its device and its name in the catalog; with their own token."""
    versions = [catalog_files.add("a/one"), catalog_files.add("a/two")]
    async with (
        open_harness(catalog_files) as harness,
        door(harness.residency, METRICS) as prometheus,
    ):
        for version in versions:
            await harness.residency.ensure(version.id)
        page = await prometheus.get("/metrics")
        assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
        samples = {
            (sample.name, sample.labels["model"]): sample
            for family in text_string_to_metric_families(page.text)
            for sample in family.samples
            if sample.name in {"modelyard_engine_slots", "modelyard_engine_up"}
        }
        assert {model for _, model in samples} == {"a/one@1", "a/two@1"}
        assert {sample.labels["device"] for sample in samples.values()} == {"paper-0"}
        assert {s.value for (name, _), s in samples.items() if name.endswith("up")} == {1.0}
        assert page.text.count("# TYPE modelyard_engine_slots gauge") == 1
        harness.engines()[0].kill()
        await harness.until(lambda: any(r.process is None for r in harness.residency.residents))
        after = (await prometheus.get("/metrics")).text
        assert 'modelyard_engine_up{device="paper-0",model="a/' in after
        assert after.count("modelyard_engine_up{") == 2
