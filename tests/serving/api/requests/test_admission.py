"""What can't be done is refused at once, with what was asked, what there is, and what to do."""

import uuid
from typing import Any

import pytest

from modelyard.registry.billing.quota import QuotaChange
from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.served_flows import ServedFlow, ServedFlows
from tests.serving.api.requests.conftest import asking, id_of
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

ROUTE = "/api/v1/route"


async def refused(lite: Installation, status: int, **fields: object) -> dict[str, Any]:
    """The problem with which a submission of ada's is refused."""
    async with lite.client(lite.ada, dispatch="off") as client:
        answer = await client.post(ROUTE, json=asking(id_of(lite, lite.ada), **fields))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if status in {429, 503}:
        assert int(answer.headers["retry-after"]) >= 1
    return dict(answer.json())


async def test_without_a_device_it_says_what_to_start(lite: Installation) -> None:
    """503, and waiting helps once there is a worker."""
    lite.filled.add("talker")
    problem = await refused(lite, 503)
    assert problem["code"] == "no_suitable_gpu"
    assert "no device" in problem["detail"]
    assert "Waiting would help once a worker runs" in problem["fix"]


async def test_with_too_small_a_device_it_names_the_best(lite: Installation) -> None:
    """What was asked, what the best has, and that waiting would not help."""
    lite.filled.add("talker")
    lite.worker("gpu-0", memory_total=4_000_000_000)
    lite.worker("gpu-1", memory_total=8_000_000_000)
    problem = await refused(lite, 503, resource_requirements={"memory": 9_000})
    assert "9000 MB" in problem["detail"]
    assert "gpu-1, has 8000 MB" in problem["detail"]
    assert "Waiting would not help" in problem["fix"]


async def test_a_larger_device_in_maintenance_is_worth_waiting_for(lite: Installation) -> None:
    """It is named, with its reason."""
    lite.filled.add("talker")
    lite.worker("gpu-0", memory_total=4_000_000_000)
    lite.worker("gpu-1", memory_total=80_000_000_000, status="maintenance", reason="new fans")
    problem = await refused(lite, 503, resource_requirements={"memory": 9_000})
    assert "Waiting would help: gpu-1" in problem["fix"]
    assert "new fans" in problem["fix"]


async def test_what_was_taken_before_is_not_refused_now(lite: Installation) -> None:
    """The same id again is the same request, though its device has left since."""
    lite.filled.add("talker")
    lite.worker()
    asked = asking(id_of(lite, lite.ada), request_id=str(uuid.uuid4()))
    async with lite.client(lite.ada, dispatch="off") as client:
        assert (await client.post(ROUTE, json=asked)).status_code == 200
        lite.worker(status="error", reason="fell off the bus")
    async with lite.client(lite.ada, dispatch="off") as client:
        assert (await client.post(ROUTE, json=asked)).status_code == 200
        other = await client.post(ROUTE, json=asked | {"request_id": str(uuid.uuid4())})
    assert other.status_code == 503


async def test_a_quota_that_is_used_up_is_named(lite: Installation) -> None:
    """429 with the limit; and a priority above the user's is a 403."""
    lite.filled.add("talker")
    lite.worker()
    Quotas(lite.database).set(id_of(lite, lite.ada), QuotaChange(0, 3, 2, None, 3))
    problem = await refused(lite, 429, priority=2)
    assert problem["code"] == "insufficient_quota"
    assert "quota of 3 requests" in problem["detail"]
    problem = await refused(lite, 403, priority=3)
    assert "your limit of 2" in problem["detail"]


async def test_a_full_queue_says_whose_it_is(lite: Installation) -> None:
    """A user's own is 429, everybody's 503; both say how many may wait."""
    lite.filled.add("talker")
    lite.worker()
    asked = asking(id_of(lite, lite.ada))
    for limits, status in (({"user_queued_requests": 1}, 429), ({"queued_requests": 1}, 503)):
        async with lite.client(lite.ada, dispatch="off", **limits) as client:
            await client.post(ROUTE, json=asked)
            answer = await client.post(ROUTE, json=asked)
        assert answer.status_code == status
        assert int(answer.headers["retry-after"]) >= 1
        assert "1 may" in answer.json()["detail"]


async def test_training_needs_a_deployment_of_that_name(lite: Installation) -> None:
    """400 with those there are, and with the parameters that it takes; else it is queued."""
    lite.filled.add("talker")
    problem = await refused(lite, 503, type="training", payload={})
    assert problem["code"] == "flows_unavailable"
    FlowProcesses(lite.database).beat("flows")
    problem = await refused(lite, 400, type="training", payload={})
    assert problem["code"] == "deployment_not_found"
    served = ServedFlow(
        name="fine-tuning",
        flow="tune",
        deployment_id=str(uuid.uuid4()),
        parameters=("steps",),
        required=("steps",),
    )
    ServedFlows(lite.database).replace([served])
    problem = await refused(lite, 400, type="training", payload={})
    assert "fine-tuning" in problem["fix"]
    problem = await refused(lite, 400, type="fine-tuning", payload={"colour": "red"})
    assert "colour" in problem["detail"]
    async with lite.client(lite.ada, dispatch="off") as client:
        asked = asking(id_of(lite, lite.ada), type="fine-tuning", payload={"steps": 3})
        answer = await client.post(ROUTE, json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "pending"
