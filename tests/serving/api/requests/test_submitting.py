"""What is handed in is answered with its id and its outlook, runs, and can be read to its end."""

import uuid

import pytest

from modelyard.registry.catalog.model import ModelVersion
from tests.serving.api.requests.conftest import MODEL, SAID, asking, ended, id_of
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

ROUTE = "/api/v1/route"


@pytest.mark.usefixtures("talker")
async def test_a_request_outlives_its_connection(installation: Installation) -> None:
    """Its answer has the contract's six fields; its result is the engine's own answer."""
    user_id = id_of(installation, installation.ada)
    async with installation.client(installation.ada) as client:
        answer = await client.post(ROUTE, json=asking(user_id))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        done = await ended(client, told["request_id"])
    assert list(told) == [
        "request_id",
        "status",
        "gpu_id",
        "estimated_start_time",
        "estimated_completion_time",
        "queue_position",
    ]
    assert told["status"] == "pending"
    assert told["queue_position"] in {0, 1}  # it may have begun by now
    assert told["estimated_start_time"] <= told["estimated_completion_time"]
    assert told["estimated_start_time"].endswith("Z")
    assert done["status"] == "completed", done
    assert done["progress"] == 1
    assert done["queue_position"] == 0
    assert done["gpu_id"] == "cpu-0"
    assert done["user_id"] == user_id
    assert done["model_id"] == MODEL
    assert done["error"] is None
    assert done["submission_time"] <= done["start_time"] <= done["completion_time"]
    assert done["result"]["choices"][0]["message"]["content"]
    assert done["result"]["usage"]["completion_tokens"] == 4


async def test_the_same_id_is_the_same_request(
    installation: Installation, talker: ModelVersion
) -> None:
    """In any order of keys, with defaults said or not; another body is refused."""
    user_id = id_of(installation, installation.ada)
    request_id = str(uuid.uuid4())
    first = asking(user_id, request_id=request_id, priority=None)
    again = dict(reversed(first.items())) | {"priority": 3, "request_id": request_id.upper()}
    async with installation.client(installation.ada) as client:
        assert (await client.post(ROUTE, json=first)).json()["request_id"] == request_id
        assert (await client.post(ROUTE, json=again)).json()["request_id"] == request_id
        other = await client.post(ROUTE, json=first | {"payload": SAID | {"max_tokens": 5}})
        listed = (await client.get("/api/v1/requests")).json()
    assert other.status_code == 409
    assert other.json()["code"] == "request_id_taken"
    assert [one["request_id"] for one in listed["requests"]] == [request_id]
    assert talker.model == MODEL
