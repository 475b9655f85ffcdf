"""Many requests are handed in at once: all of them are queued, or none."""

import asyncio
import uuid
from typing import Any

import pytest

from modelyard.registry.billing.quota import QuotaChange
from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.jobs.book import JobBook, JobFilter
from modelyard.registry.notices.notice_book import NoticeBook
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

BATCH = "/api/v1/route/batch"
OFF = {"dispatch": "off"}


def work(text: str, **fields: Any) -> dict[str, Any]:
    payload = {"messages": [{"role": "user", "content": text}], "max_tokens": 2}
    return {"model_id": "talker", "type": "inference", "payload": payload} | fields


def user_of(installation: Installation, key: str) -> str:
    return installation.identity.authenticate_key(key).user_id


def queued(installation: Installation) -> int:
    return sum(JobBook(installation.database).counts(JobFilter()).values())


@pytest.fixture
def served(installation: Installation) -> Installation:
    """A model that a device can take, and nobody who dispatches."""
    installation.filled.add("talker")
    installation.worker()
    return installation


async def test_a_batch_is_queued_as_a_whole_and_once(served: Installation) -> None:
    """Its answer has the ids in order; the same again is the same, something else a conflict."""
    asked: dict[str, Any] = {
        "batch_id": str(uuid.uuid4()),
        "user_id": user_of(served, served.ada),
        "requests": [work("a"), work("b", priority=5), work("c", request_id=str(uuid.uuid4()))],
    }
    async with served.client(served.ada, **OFF) as client:
        first = await client.post(BATCH, json=asked)
        assert first.status_code == 200, first.text
        told = first.json()
        assert told["batch_id"] == asked["batch_id"]
        assert told["status"] == "pending"
        assert told["request_ids"][2] == asked["requests"][2]["request_id"]
        again = await client.post(BATCH, json=asked)
        assert again.json()["request_ids"] == told["request_ids"]
        other = await client.post(BATCH, json=asked | {"timeout": 1000})
        assert (other.status_code, other.json()["code"]) == (409, "batch_id_taken")
        one = await client.get(f"/api/v1/requests/{told['request_ids'][1]}")
        assert one.json()["batch_id"] == asked["batch_id"]
        assert one.json()["priority"] == 5
    assert queued(served) == 3


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"requests": []}, 400, "requests"),
    ({"requests": [work("a"), work("b", priority=6)]}, 400, "requests.1.priority"),
    ({"requests": [work("a"), work("b", payload={"prompt": 7})]}, 400, "requests.1"),
    ({"requests": [work("a"), work("b", model_id="nobody")]}, 400, "requests.1"),
    ({"requests": [work("a"), work("b", type="dreaming")]}, 400, "requests.1.type"),
    ({"requests": [work("a", timeout=5)]}, 400, "requests.0.timeout"),
    ({"requests": [work("a")] * 1001}, 400, "requests"),
    ({"requests": [work("a", request_id="7" * 32)] * 2}, 400, "requests.1.request_id"),
    ({"timeout": 0}, 400, "timeout"),
    ({"batch_id": "seven"}, 400, "batch_id"),
    ({"callback_url": "http://127.0.0.1/"}, 400, "callback_url"),
    ({"user_id": "0" * 36}, 403, "user_id"),
]


async def test_what_is_wrong_with_one_refuses_all(served: Installation) -> None:
    """The field is named, with the number of the request; nothing was queued."""
    user_id = user_of(served, served.ada)
    good = {"user_id": user_id, "requests": [work("a")]}
    async with served.client(served.ada, **OFF) as client:
        for wrong, status, field in BAD:
            refused = await client.post(BATCH, json=good | wrong)
            assert refused.status_code == status, (wrong, refused.text)
            assert field in refused.text, (wrong, refused.text)
        Quotas(served.database).set(user_id, QuotaChange(0, 2, 5, None))
    async with served.client(served.ada, **OFF) as client:
        refused = await client.post(BATCH, json=good | {"requests": [work("a")] * 3})
        assert (refused.status_code, refused.json()["code"]) == (429, "insufficient_quota")
        assert "3 requests, and 2 are left" in refused.json()["detail"]
        assert "retry-after" in refused.headers
    assert queued(served) == 0


async def test_requests_of_another_batch_are_not_taken_twice(served: Installation) -> None:
    """A request's id belongs to one batch: the second batch is refused whole."""
    asked = {
        "user_id": user_of(served, served.ada),
        "requests": [work("a", request_id=str(uuid.uuid4())), work("b")],
    }
    async with served.client(served.ada, **OFF) as client:
        assert (await client.post(BATCH, json=asked)).status_code == 200
        refused = await client.post(BATCH, json=asked)
    assert (refused.status_code, refused.json()["code"]) == (409, "request_id_taken")
    assert queued(served) == 2


async def test_a_batch_ends_with_its_last_request(installation: Installation) -> None:
    """One notice tells of the end, and how many were done."""
    version = installation.filled.add("talker")
    asked = {"user_id": user_of(installation, installation.ada), "requests": [work("a")] * 3}
    with installation.engine(version):
        async with installation.client(installation.ada) as client:
            batch = (await client.post(BATCH, json=asked)).json()
            notice = await ended(installation)
            one = await client.get(f"/api/v1/requests/{batch['request_ids'][0]}")
    assert one.json()["status"] == "completed"
    assert notice == notice | {"id": batch["batch_id"], "status": "completed", "completed": 3}


async def ended(installation: Installation) -> dict[str, Any]:
    """The notice of the first batch that ends."""
    book = NoticeBook(installation.database)
    async with asyncio.timeout(120):
        while True:
            told = await asyncio.to_thread(book.after, 0)
            for one in told:
                if one.kind == "batch.ended":
                    return dict(one.data)
            await asyncio.sleep(0.05)
