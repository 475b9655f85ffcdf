"""Requests are listed, shown and cancelled by those whose they are, and are missing to others."""

import uuid

import httpx2
import pytest

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.identity.caller import Role
from tests.serving.api.requests.conftest import asking, ended, id_of
from tests.serving.installation import Installation, once_it_speaks

pytestmark = pytest.mark.anyio

ROUTE = "/api/v1/route"
REQUESTS = "/api/v1/requests"


async def submitted(client: httpx2.AsyncClient, user_id: str, **fields: object) -> str:
    answer = await client.post(ROUTE, json=asking(user_id, **fields))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["request_id"])


async def test_pages_hold_each_request_once(installation: Installation) -> None:
    """The latest first, by a cursor that only this API reads."""
    installation.filled.add("talker")
    installation.worker()
    user_id = id_of(installation, installation.ada)
    seen = list[str]()
    async with installation.client(installation.ada, dispatch="off") as client:
        made = [await submitted(client, user_id) for _ in range(5)]
        cursor: str | None = ""
        while cursor is not None:
            page = (await client.get(REQUESTS, params={"limit": 2, "cursor": cursor})).json()
            seen += [one["request_id"] for one in page["requests"]]
            cursor = page["next_cursor"]
        for wrong in ("x", "\0", "AAAA", "9" * 200, "é"):
            answer = await client.get(REQUESTS, params={"cursor": wrong})
            assert answer.status_code == 400, wrong
            assert "cursor" in answer.json()["detail"]
    assert seen == made[::-1]


async def test_filters_leave_out_the_others(installation: Installation) -> None:
    """By status, model, time and user; for an admin everybody's, for a service its users'."""
    installation.filled.add("talker")
    installation.filled.add("other")
    installation.worker()
    installation.identity.create_user("agent", Role.SERVICE)
    agent = installation.identity.create_key("agent", "test")
    ada = id_of(installation, installation.ada)
    admin = id_of(installation, installation.admin)
    async with installation.client(dispatch="off") as client:

        def as_(key: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {key}"}

        async def listed(key: str, **wanted: str) -> list[str]:
            answer = await client.get(REQUESTS, params=wanted, headers=as_(key))
            assert answer.status_code == 200, answer.text
            return [names[one["request_id"]] for one in answer.json()["requests"]]

        names = dict[str, str]()
        for name, key, user, model in (
            ("own", installation.ada, ada, "talker"),
            ("for her", agent, ada, "other"),
            ("admin's", installation.admin, admin, "talker"),
        ):
            asked = asking(user, model_id=model)
            answer = await client.post(ROUTE, json=asked, headers=as_(key))
            names[answer.json()["request_id"]] = name
        assert await listed(installation.ada) == ["for her", "own"]
        assert await listed(installation.admin) == ["admin's", "for her", "own"]
        assert await listed(installation.admin, user_id=ada) == ["for her", "own"]
        assert await listed(agent) == ["for her"]
        assert await listed(agent, user_id=ada) == ["for her"]
        assert await listed(agent, user_id=admin) == []
        assert await listed(installation.ada, model="talker") == ["own"]
        assert await listed(installation.ada, status="pending") == ["for her", "own"]
        assert await listed(installation.ada, status="queued") == []
        assert await listed(installation.ada, until="2001-01-01T00:00:00Z") == []
        assert await listed(installation.ada, since="2001-01-01") == ["for her", "own"]
        refused = await client.get(
            REQUESTS, params={"user_id": admin}, headers=as_(installation.ada)
        )
        assert refused.status_code == 403
        for key, waiting in ((installation.ada, 2), (installation.admin, 3), (agent, 1)):
            queue = (await client.get(f"{REQUESTS}/queue", headers=as_(key))).json()["queue"]
            assert sum(line["waiting"] for line in queue) == waiting
            assert {line["priority"] for line in queue} == {3}


async def test_what_waits_is_cancelled_at_once_and_only_once(installation: Installation) -> None:
    """The second time, and once it has ended, it is a conflict; what never was is missing."""
    installation.filled.add("talker")
    installation.worker()
    user_id = id_of(installation, installation.ada)
    async with installation.client(installation.ada, dispatch="off") as client:
        address = f"{REQUESTS}/{await submitted(client, user_id)}"
        done = await client.delete(address)
        again = await client.delete(address)
        shown = (await client.get(address)).json()
        missing = await client.delete(f"{REQUESTS}/{uuid.uuid4()}")
    assert done.status_code == 200
    assert done.json()["status"] == "cancelled"
    assert set(done.json()) == {"request_id", "status", "message"}
    assert again.status_code == 409
    assert shown["status"] == "cancelled"
    assert missing.status_code == 404


async def test_a_running_request_is_cancelled(lite: Installation) -> None:
    """Its device shows it while it runs, to its user; then it is free of it."""
    version = lite.filled.add("talker")
    user_id = id_of(lite, lite.ada)
    endless = {"messages": [{"role": "user", "content": "Go on"}], "max_tokens": 200}
    with lite.engine(version, delay_s=0.05) as engine:
        async with lite.client(lite.ada) as client:
            request_id = await submitted(client, user_id, payload=endless)
            await once_it_speaks(engine)
            [active] = (await client.get("/api/v1/gpus/cpu-0")).json()["active_requests"]
            answer = await client.delete(f"{REQUESTS}/{request_id}")
            told = await ended(client, request_id)
    assert active["request_id"] == request_id
    assert active["user_id"] == user_id
    assert active["model_id"] == version.ref
    assert 0 <= active["progress"] < 1
    assert answer.status_code == 200, answer.text
    assert told["status"] == "cancelled"


async def test_anothers_request_is_answered_as_none(
    installation: Installation, talker: ModelVersion
) -> None:
    """Byte for byte, whatever is asked of it; whoever handed it in for its user may follow it."""
    installation.identity.create_user("bob", Role.USER)
    installation.identity.create_user("agent", Role.SERVICE)
    bob = installation.identity.create_key("bob", "test")
    agent = installation.identity.create_key("agent", "test")
    ada = id_of(installation, installation.ada)
    nothing = str(uuid.uuid4())
    async with installation.client() as client:
        headers = {"Authorization": f"Bearer {agent}"}
        answer = await client.post(ROUTE, json=asking(ada, model_id=talker.ref), headers=headers)
        request_id = answer.json()["request_id"]
        for method in ("GET", "DELETE"):
            said = []
            for name in (request_id, nothing):
                answer = await client.request(
                    method, f"{REQUESTS}/{name}", headers={"Authorization": f"Bearer {bob}"}
                )
                said.append((answer.status_code, answer.text.replace(name, "it")))
            assert said[0] == said[1]
            assert said[0][0] == 404
        for key in (installation.ada, agent, installation.admin):
            headers = {"Authorization": f"Bearer {key}"}
            shown = await client.get(f"{REQUESTS}/{request_id}", headers=headers)
            assert shown.status_code == 200
