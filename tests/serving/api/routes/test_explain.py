"""Why a request goes where it goes, told to whoever asks."""

import json

import pytest

from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio


async def test_every_worker_is_named_with_its_terms(installation: Installation) -> None:
    """The chosen one first; one in error says so; nothing is reserved by asking."""
    version = installation.filled.add("talker")
    for device, status in (("cpu-0", "available"), ("cpu-1", "available"), ("cpu-2", "error")):
        installation.worker(device, status=status)
    installation.ready(version, "http://127.0.0.1:1", "cpu-1")
    async with installation.client(installation.ada) as client:
        query = {"model": "talker", "prompt_tokens": 1000}
        first = (await client.get("/api/v1/route/explain", params=query)).json()
        again = (await client.get("/api/v1/route/explain", params=query)).json()
    assert first["chosen"] == "cpu-1"
    assert [c["device_id"] for c in first["candidates"]] == ["cpu-1", "cpu-0", "cpu-2"]
    assert [c["feasible"] for c in first["candidates"]] == [True, True, False]
    warm, cold = first["candidates"][:2]
    assert warm["load_s"] == 0.0
    assert cold["load_s"] > 0.0
    assert cold["reason"].endswith("dearer than the chosen")
    assert again == first


async def test_a_request_may_ask_for_the_decision_with_its_answer(lite: Installation) -> None:
    """`?explain=true` adds a header; without it there is none."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            body = {"model": "talker", "prompt": "Say", "max_tokens": 2}
            told = await client.post("/v1/completions?explain=true", json=body)
            plain = await client.post("/v1/completions", json=body)
    assert json.loads(told.headers["X-Modelyard-Explain"])["chosen"] == "cpu-0"
    assert "X-Modelyard-Explain" not in plain.headers


async def test_an_unknown_model_and_a_bad_number_are_refused(lite: Installation) -> None:
    """As everywhere."""
    async with lite.client(lite.ada) as client:
        unknown = await client.get("/api/v1/route/explain?model=nobody")
        wrong = await client.get("/api/v1/route/explain?model=nobody&prompt_tokens=0")
    assert (unknown.status_code, wrong.status_code) == (404, 400)
