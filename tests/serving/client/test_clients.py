"""Both clients hand work in, follow, wait and cancel at a real gateway."""

import io
import json
import uuid
from contextlib import closing

import pytest

import modelyard
from modelyard.serving.client import ApiProblem, AsyncModelyard, GatewaySilent, Modelyard
from tests.serving.installation import NOBODY
from tests.serving.reached import LONG, MODEL, SAID, SLOW, ReachedGateway

pytestmark = [pytest.mark.slow(seconds=15), pytest.mark.anyio]


def batch_file() -> io.BytesIO:
    """Three lines, c0 to c2."""
    url = "/v1/chat/completions"
    lines = [
        {"custom_id": f"c{n}", "method": "POST", "url": url, "body": {"model": MODEL, **SAID}}
        for n in range(3)
    ]
    return io.BytesIO("\n".join(map(json.dumps, lines)).encode())


def test_the_package_itself_offers_them() -> None:
    """Without loading them for those who do not ask."""
    assert modelyard.Modelyard is Modelyard
    assert modelyard.AsyncModelyard is AsyncModelyard
    with pytest.raises(AttributeError):
        _ = modelyard.Nothing  # type: ignore[attr-defined]


def test_a_request_is_handed_in_and_waited_for(client: Modelyard) -> None:
    """Its answer and its result are the contract's, and the same id again is the same request."""
    request_id = str(uuid.uuid4())
    reply = client.submit(MODEL, SAID, request_id=request_id, timeout=60_000)
    ended = client.wait(reply.request_id, timeout_s=60)
    again = client.submit(MODEL, SAID, request_id=request_id, timeout=60_000)
    assert (reply.request_id, again.request_id, again.status) == (*[request_id] * 2, "completed")
    assert (ended.status, ended.progress, ended.model_id) == ("completed", 1.0, MODEL)
    assert ended.result["choices"][0]["message"]["content"]
    assert request_id in {each.request_id for each in client.list(model=MODEL)}


def test_a_running_request_is_followed_and_cancelled(client: Modelyard) -> None:
    """Each look shows something new, and the last one its end."""
    reply = client.submit(SLOW, LONG, timeout=600_000)
    seen = list[str]()
    for found in client.follow(reply.request_id):
        seen.append(found.status)
        if found.status == "processing" and found.progress > 0:
            assert client.cancel(reply.request_id).status == "cancelled"
    assert (seen[-1], seen.count("cancelled")) == ("cancelled", 1)
    with pytest.raises(ApiProblem) as told:
        client.cancel(reply.request_id)
    assert told.value.status == 409


def test_who_waits_no_longer_leaves_the_request_alone(client: Modelyard) -> None:
    """It goes on until it ends otherwise."""
    reply = client.submit(SLOW, LONG, timeout=600_000)
    with pytest.raises(TimeoutError):
        client.wait(reply.request_id, timeout_s=0)
    assert client.get(reply.request_id).status in {"pending", "processing"}
    client.cancel(reply.request_id)


def test_the_list_goes_over_its_pages(client: Modelyard) -> None:
    """Up to so many, the latest first."""
    ids = [client.submit(MODEL, SAID, timeout=60_000).request_id for _ in range(3)]
    assert [each.request_id for each in client.list(2)] == ids[:0:-1]
    assert all(each.request_id != ids[0] for each in client.list(status="cancelled"))
    for each in ids:
        client.wait(each, timeout_s=60)
    assert client.queue().queue == []


def test_many_are_handed_in_as_one(client: Modelyard) -> None:
    """In the order of their answers' ids; the same batch again is the same."""
    work = {"model_id": MODEL, "payload": SAID}
    batch = client.submit_batch([work, {**work, "priority": 1}], timeout=60_000)
    again = client.submit_batch(
        [work, {**work, "priority": 1}], timeout=60_000, batch_id=batch.batch_id
    )
    ended = [client.wait(each, timeout_s=60) for each in batch.request_ids]
    assert again.request_ids == batch.request_ids
    assert [(each.status, each.priority) for each in ended] == [("completed", 3), ("completed", 1)]


def test_a_file_of_requests_becomes_a_batch(client: Modelyard) -> None:
    """Uploaded, handed in, waited for; its output is read a line at a time."""
    file_id = client.upload(batch_file())
    batch = client.create_batch(file_id)
    assert batch["id"] in [each["id"] for each in client.list_batches()["data"]]
    ended = client.wait_batch(batch["id"], timeout_s=120)
    assert (ended["status"], ended["request_counts"]["completed"]) == ("completed", 3)
    answers = [json.loads(line) for line in client.content(ended["output_file_id"])]
    assert {each["custom_id"] for each in answers} == {"c0", "c1", "c2"}
    with pytest.raises(ApiProblem):
        client.cancel_batch("batch_none")


def test_notices_of_a_request_are_heard(client: Modelyard) -> None:
    """From the first one on, in their order."""
    with closing(client.notices(["requests"], after=0)) as heard:
        assert next(heard).kind == "connected"
        request_id = client.submit(MODEL, SAID, timeout=60_000).request_id
        mine = (each for each in heard if each.data.get("request_id") == request_id)
        assert next(mine).kind == "request.queued"
        assert next(each for each in mine if each.kind == "request.ended").topic == "requests"


def test_what_is_refused_says_the_field_and_the_fix(client: Modelyard) -> None:
    """With its stable code; and who reaches nobody is told so."""
    with pytest.raises(ApiProblem) as told:
        client.submit("owner/nobody", SAID)
    assert (told.value.status, told.value.code) == (400, "model_not_found")
    with pytest.raises(ApiProblem) as missing:
        client.get("no/such")
    assert missing.value.status == 404
    with Modelyard(NOBODY, "my_key", most_tries=1) as nobody, pytest.raises(GatewaySilent):
        nobody.get("x")


async def test_the_asynchronous_one_does_the_same(reached: ReachedGateway) -> None:
    """Submit, follow to the end, wait, list, cancel; batches and notices."""
    async with AsyncModelyard(reached.url, reached.ada) as client:
        reply = await client.submit(MODEL, SAID, timeout=60_000)
        seen = [found.status async for found in client.follow(reply.request_id)]
        assert seen[-1] == "completed"
        assert (await client.wait(reply.request_id)).result
        assert reply.request_id in [each.request_id async for each in client.list(5)]
        slow = await client.submit(SLOW, LONG, timeout=600_000)
        assert (await client.cancel(slow.request_id)).request_id == slow.request_id
        with pytest.raises(ApiProblem):
            await client.cancel(slow.request_id)
        batch = await client.create_batch(await client.upload(batch_file()))
        ended = await client.wait_batch(batch["id"], timeout_s=120)
        assert len([line async for line in client.content(ended["output_file_id"])]) == 3
        heard = client.notices(["requests"], after=0)
        assert (await anext(heard)).kind == "connected"
        await heard.aclose()


def test_a_client_needs_an_address_and_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given, or from the environment; what is missing is named."""
    monkeypatch.delenv("MODELYARD_GATEWAY_URL", raising=False)
    monkeypatch.delenv("MODELYARD_API_KEY", raising=False)
    with pytest.raises(ValueError, match="MODELYARD_GATEWAY_URL"):
        Modelyard()
    monkeypatch.setenv("MODELYARD_GATEWAY_URL", NOBODY)
    with pytest.raises(ValueError, match="MODELYARD_API_KEY"):
        Modelyard()
