"""Quotas over the API: seen by their users, set by admins, and enforced with the other limits."""

import time
from typing import Any

import pytest

from modelyard.registry.catalog.model import ModelVersion
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

FIELDS = {
    "gpu_limit": 0,
    "gpu_usage": 0,
    "request_limit": 0,
    "request_count": 0,
    "priority_limit": 5,
    "expiration_time": None,
}
ASK = {"prompt": "Say", "max_tokens": 2}


def _ada(installation: Installation) -> str:
    return installation.identity.authenticate_key(installation.ada).user_id


async def test_a_user_sees_its_own_quota(installation: Installation) -> None:
    """The fields are the contract's; without a quota nothing is limited."""
    async with installation.client(installation.ada) as client:
        answer = await client.get("/api/v1/quota")
        assert answer.json() == {"user_id": _ada(installation), **FIELDS}


async def test_an_admin_sets_a_quota_and_everybody_sees_it(installation: Installation) -> None:
    """What is read can be sent back; the time is UTC."""
    address = f"/api/v1/admin/users/{_ada(installation)}/quota"
    wanted = {"gpu_limit": 2, "request_limit": 10, "priority_limit": 3}
    wanted |= {"expiration_time": "2030-01-01T01:00:00+01:00"}
    expected = {"user_id": _ada(installation), "gpu_usage": 0, "request_count": 0, **wanted}
    expected["expiration_time"] = "2030-01-01T00:00:00Z"
    async with installation.client(installation.admin) as client:
        answer = await client.put(address, json=wanted)
        assert answer.status_code == 200
        assert answer.json() == expected
        assert (await client.get(address)).json() == expected
        assert (await client.put(address, json=expected)).json() == expected
        own = await client.get(
            "/api/v1/quota", headers={"Authorization": f"Bearer {installation.ada}"}
        )
        assert own.json() == expected


async def test_only_admins_touch_the_quotas_of_others(lite: Installation) -> None:
    """Not even one's own may be set; an unknown user is a 404, to admins only."""
    async with lite.client(lite.ada) as client:
        for user_id in (_ada(lite), "nobody"):
            address = f"/api/v1/admin/users/{user_id}/quota"
            assert (await client.get(address)).status_code == 403
            assert (await client.put(address, json={})).status_code == 403
    async with lite.client(lite.admin) as client:
        for answer in (
            await client.get("/api/v1/admin/users/nobody/quota"),
            await client.put("/api/v1/admin/users/nobody/quota", json={}),
        ):
            assert answer.status_code == 404
            assert answer.json()["code"] == "user_not_found"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority_limit", 0),
        ("priority_limit", 6),
        ("request_limit", -1),
        ("request_limit", 1.5),
        ("request_limit", 2**60),
        ("gpu_limit", "2"),
        ("expiration_time", "2030-01-01T00:00:00"),
        ("user_id", "somebody else"),
        ("nonsense", 1),
    ],
)
async def test_each_wrong_field_is_named(lite: Installation, field: str, value: Any) -> None:
    """400, and nothing is set."""
    async with lite.client(lite.admin) as client:
        address = f"/api/v1/admin/users/{_ada(lite)}/quota"
        answer = await client.put(address, json={"request_limit": 7, field: value})
        assert answer.status_code == 400
        assert field in answer.json()["detail"]
        assert (await client.get(address)).json()["request_limit"] == 0


@pytest.fixture
def talker(installation: Installation) -> ModelVersion:
    return installation.filled.add("talker")


async def test_a_used_up_quota_is_a_429_of_openai_s_form(
    installation: Installation, talker: ModelVersion
) -> None:
    """What was answered counts, what failed before does not; a new count lets in again."""
    with installation.engine(talker):
        async with installation.client(installation.ada) as client:
            admin = {"Authorization": f"Bearer {installation.admin}"}
            address = f"/api/v1/admin/users/{_ada(installation)}/quota"
            await client.put(address, json={"request_limit": 2}, headers=admin)
            statuses = [await _status(client, model) for model in ("nobody", "talker", "talker")]
            assert statuses == [404, 200, 200]
            answer = await client.post("/v1/completions", json={"model": "talker", **ASK})
            assert answer.status_code == 429
            assert answer.json()["error"]["type"] == "insufficient_quota"
            assert answer.json()["error"]["code"] == "insufficient_quota"
            assert int(answer.headers["Retry-After"]) == 3600
            assert (await client.get("/api/v1/quota")).json()["request_count"] == 2
            again = {"request_limit": 2, "request_count": 0}
            await client.put(address, json=again, headers=admin)
            assert await _status(client, "talker") == 200


async def _status(client: Any, model: str) -> int:
    return int((await client.post("/v1/completions", json={"model": model, **ASK})).status_code)


async def test_rates_are_told_with_every_answer(lite: Installation) -> None:
    """The headers are OpenAI's; a refusal says when to come again, to the millisecond."""
    with lite.engine(lite.filled.add("talker")):
        async with lite.client(lite.ada, user_rpm=2) as client:
            ask = {"model": "talker", **ASK}
            begun = time.monotonic()
            answers = [await client.post("/v1/completions", json=ask) for _ in range(3)]
            took_ms = (time.monotonic() - begun) * 1000
    names = [f"x-ratelimit-{name}-requests" for name in ("limit", "remaining", "reset")]
    told = [(a.status_code, *(a.headers[name] for name in names)) for a in answers]
    assert told[:2] == [(200, "2", "1", "1m0s"), (200, "2", "0", "1m0s")]
    assert told[2][:3] == (429, "2", "0")
    answer = answers[-1]
    assert answer.json()["error"]["type"] == "rate_limit_error"
    milliseconds = int(answer.headers["retry-after-ms"])
    assert 60_000 - took_ms - 1 < milliseconds < 60_000
    assert int(answer.headers["Retry-After"]) == -(-milliseconds // 1000)


async def test_too_many_at_once_are_a_429(lite: Installation) -> None:
    """A place is free again when its answer has ended."""
    import asyncio

    with lite.engine(lite.filled.add("talker"), delay_s=0.05):
        async with lite.client(lite.ada, user_max_concurrency=2) as client:
            many = await asyncio.gather(*(_status(client, "talker") for _ in range(5)))
            assert sorted(many) == [200, 200, 429, 429, 429]
            assert await _status(client, "talker") == 200
