"""Who hands in a URL is told there what came of the request, and can see how that went."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from modelyard.registry.callbacks.deliveries import Deliveries, TryOutcome
from modelyard.registry.callbacks.outbox import enter
from modelyard.registry.callbacks.places import CallbackPlaces
from modelyard.registry.database import utc_now
from tests.serving.api.requests.conftest import asking, ended, id_of
from tests.serving.callbacks.receiver import Receiver
from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

WITHIN_S = 60.0
SECRETS = "/api/v1/callbacks/secrets"
ADDRESSES = "/api/v1/callbacks/addresses"
NONE = "0" * 36


Said = list[dict[str, Any]]


async def until(ask: Callable[[], Awaitable[Said]], is_right: Callable[[Said], bool]) -> Said:
    """What is told once it is as it should be."""
    async with asyncio.timeout(WITHIN_S):
        while not is_right(told := await ask()):
            await asyncio.sleep(0.02)
        return told


@pytest.mark.usefixtures("talker")
async def test_the_end_of_a_request_is_told_and_signed(installation: Installation) -> None:
    """With the secret that its user was shown once; an admin has it sent again, as the same."""
    user_id = id_of(installation, installation.ada)
    async with (
        Receiver().listening() as receiver,
        installation.client(installation.ada, callback_hosts="127.0.0.1") as client,
    ):
        secret = (await client.post(SECRETS)).json()["secret"]
        url = receiver.url("/done", host="127.0.0.1")
        asked = await client.post("/api/v1/route", json=asking(user_id, callback_url=url))
        request_id = asked.json()["request_id"]
        done = await ended(client, request_id)

        async def told() -> Said:
            answer = await client.get(f"/api/v1/requests/{request_id}/callbacks")
            return answer.json()["callbacks"]

        [callback] = await until(told, lambda said: said[0]["state"] == "delivered")
        client.headers["Authorization"] = f"Bearer {installation.admin}"
        resent = await client.post(f"/api/v1/admin/callbacks/{callback['id']}/resend")
        assert resent.json()["state"] == "waiting"
        [again] = await until(told, lambda said: len(said[0]["tries"]) == 2)
    first, second = receiver.at("/done")
    event = Webhook(secret).verify(first.body, dict(first.headers))
    assert Webhook(secret).verify(second.body, dict(second.headers)) == event
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "QUJD" * 8).verify(first.body, dict(first.headers))
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == callback["id"]
    assert event["type"] == "request.completed"
    assert event["data"]["request_id"] == request_id
    assert event["data"] == {name: done[name] for name in event["data"]}
    assert (callback["kind"], callback["url"]) == ("request.completed", url)
    assert [one["status"] for one in again["tries"]] == [200, 200]
    assert again["next_try_at"] is None


async def test_secrets_are_shown_once(installation: Installation) -> None:
    """Two sign while one replaces the other; another user's is as unknown as a missing one."""
    async with installation.client(installation.ada) as client:
        first = (await client.post(SECRETS)).json()
        second = (await client.post(SECRETS)).json()
        assert first["secret"] != second["secret"]
        assert first["secret"].startswith("whsec_")
        listed = await client.get(SECRETS)
        assert first["secret"] not in listed.text
        newest, oldest = listed.json()["secrets"]
        assert (newest["id"], newest["expires_at"]) == (second["id"], None)
        assert oldest["expires_at"] is not None
        told = []
        for key, secret_id in ((installation.admin, first["id"]), (installation.admin, NONE)):
            client.headers["Authorization"] = f"Bearer {key}"
            refused = await client.delete(f"{SECRETS}/{secret_id}")
            told.append((refused.status_code, refused.text.replace(secret_id, "ID")))
        assert told[0] == told[1]
        assert told[0][0] == 404
        client.headers["Authorization"] = f"Bearer {installation.ada}"
        assert (await client.delete(f"{SECRETS}/{first['id']}")).status_code == 204
        assert len((await client.get(SECRETS)).json()["secrets"]) == 1


async def test_an_address_that_is_off_is_switched_on_by_its_user(
    installation: Installation,
) -> None:
    """Others do not see it; an admin may do it for them."""
    user_id = id_of(installation, installation.ada)
    webhook_id = _gone(installation, user_id)
    url = "https://example.com/gone"
    async with installation.client(installation.ada, dispatch="off") as client:
        [off] = (await client.get(ADDRESSES)).json()["addresses"]
        assert (off["url"], off["reason"]) == (url, "It answered 410.")
        [callback] = (await client.get("/api/v1/callbacks")).json()["callbacks"]
        assert (callback["id"], callback["state"]) == (webhook_id, "failed")
        of_another = await client.get("/api/v1/callbacks", params={"subject": "another"})
        assert of_another.json()["callbacks"] == []
        refused = await client.post(f"/api/v1/admin/callbacks/{webhook_id}/resend")
        assert refused.status_code == 403
        foreign = {"url": url, "user_id": id_of(installation, installation.admin)}
        assert (await client.post(f"{ADDRESSES}/enable", json=foreign)).status_code == 403
        await _as_admin(client, installation, webhook_id, {"url": url, "user_id": user_id})
        client.headers["Authorization"] = f"Bearer {installation.ada}"
        assert (await client.get(ADDRESSES)).json()["addresses"] == []
        assert (await client.post(f"{ADDRESSES}/enable", json={"url": url})).status_code == 404


def _gone(installation: Installation, user_id: str) -> str:
    """A callback of the user's whose address has answered 410."""
    with installation.database.begin() as session:
        webhook_id = enter(
            session,
            user_id=user_id,
            subject="a batch",
            kind="batch.completed",
            url="https://example.com/gone",
            body={},
        )
    deliveries = Deliveries(installation.database)
    [delivery] = deliveries.claim(1, CallbackPlaces())
    deliveries.record(delivery, TryOutcome(at=utc_now(), duration_ms=1, status=410))
    return webhook_id


async def _as_admin(
    client: httpx2.AsyncClient, installation: Installation, webhook_id: str, change: dict[str, str]
) -> None:
    client.headers["Authorization"] = f"Bearer {installation.admin}"
    resend = f"/api/v1/admin/callbacks/{webhook_id}/resend"
    assert (await client.post(resend)).json()["code"] == "callback_address_off"
    assert len((await client.get(ADDRESSES)).json()["addresses"]) == 1
    assert (await client.post(f"{ADDRESSES}/enable", json=change)).status_code == 204
    assert (await client.post(resend)).json()["state"] == "waiting"
    assert (await client.post("/api/v1/admin/callbacks/none/resend")).status_code == 404


async def test_callbacks_of_a_foreign_request_are_those_of_a_missing_one(
    installation: Installation,
) -> None:
    """Byte for byte."""
    installation.filled.add("talker")
    installation.worker()
    user_id = id_of(installation, installation.admin)
    async with installation.client(installation.admin, dispatch="off") as client:
        asked = await client.post(
            "/api/v1/route", json=asking(user_id, callback_url="https://example.com/")
        )
        assert asked.status_code == 200, asked.text
        path = f"/api/v1/requests/{asked.json()['request_id']}/callbacks"
        assert (await client.get(path)).json() == {"callbacks": []}
        client.headers["Authorization"] = f"Bearer {installation.ada}"
        foreign = await client.get(path)
        missing = await client.get(f"/api/v1/requests/{NONE}/callbacks")
    request_id = asked.json()["request_id"]
    assert foreign.status_code == missing.status_code == 404
    assert foreign.text.replace(request_id, NONE) == missing.text
