"""Logging in, and who one is."""

import asyncio
import json
from unittest.mock import ANY

import pytest
from starlette.types import Message

from modelyard.registry.errors import NotAuthenticated
from modelyard.registry.secrets import dashboard_token
from modelyard.registry.web.forwarded import HEADER, signed
from modelyard.serving.access.authentication import Authenticator
from modelyard.serving.access.login_throttle import TRIES
from tests.serving.api.raw_asgi import http_scope
from tests.serving.installation import METRICS_TOKEN, Installation, running

pytestmark = pytest.mark.anyio


async def test_a_login_gives_a_session_that_opens(installation: Installation) -> None:
    """The token of a right password is good for an hour and for its user."""
    async with installation.client() as client:
        answer = await client.post(
            "/api/v1/login", json={"name": "ada", "password": "correct horse battery"}
        )
        assert answer.json() == {"access_token": ANY, "token_type": "bearer", "expires_in": 3600}
        token = answer.json()["access_token"]
        me = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json() == {"user_id": ANY, "name": "ada", "role": "user"}


@pytest.mark.parametrize("name", ["ada", "nobody"])
async def test_a_wrong_login_does_not_say_what_was_wrong(lite: Installation, name: str) -> None:
    """An unknown name and a wrong password get the same answer."""
    async with lite.client() as client:
        answer = await client.post("/api/v1/login", json={"name": name, "password": "guess"})
        assert answer.status_code == 401
        assert answer.json()["detail"] == "No valid API key, session or password."


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name", "password"]),
        ({"name": "ada", "password": 5}, ["password"]),
        ({"name": "", "password": "x", "role": "admin"}, ["name", "role"]),
        (["ada"], ["body"]),
    ],
)
async def test_each_wrong_field_is_named(
    lite: Installation, body: object, fields: list[str]
) -> None:
    """400 with one entry for each field that is missing, wrong or unknown."""
    async with lite.client() as client:
        answer = await client.post("/api/v1/login", json=body)
        assert answer.status_code == 400
        problem = answer.json()
        assert problem["code"] == "invalid_value"
        assert [error["field"] for error in problem["errors"]] == fields


async def test_broken_json_is_a_400(lite: Installation) -> None:
    """What is no JSON at all is named as the body's fault."""
    async with lite.client() as client:
        answer = await client.post(
            "/api/v1/login", content=b"{nonsense", headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_value"


async def test_the_eleventh_try_in_a_minute_is_refused(lite: Installation) -> None:
    """Passwords cannot be guessed quickly; another name from the same address may still try.

    The tenth here is the second, which takes less time.
    """
    assert TRIES == 10
    async with lite.opened() as (client, services):
        services.logins.names.window_s = 3600
        services.logins.names.tries = 2
        for _ in range(2):
            answer = await client.post("/api/v1/login", json={"name": "ada", "password": "guess"})
            assert answer.status_code == 401
        answer = await client.post("/api/v1/login", json={"name": "ada", "password": "guess"})
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "60"
        other = await client.post("/api/v1/login", json={"name": "bob", "password": "guess"})
        assert other.status_code == 401


async def test_the_right_password_is_no_try(lite: Installation) -> None:
    """Only what fails counts: a program may log in as often as it likes."""
    right = {"name": "ada", "password": "correct horse battery"}
    async with lite.opened() as (client, services):
        services.logins.names.tries = 2
        for _ in range(4):
            assert (await client.post("/api/v1/login", json=right)).status_code == 200


async def test_a_browser_s_address_counts_where_the_dashboard_has_signed_it(
    lite: Installation,
) -> None:
    """Nobody is locked out by another's tries there, and no stranger is believed."""
    wrong = {"name": "ada", "password": "guess"}
    token = dashboard_token(lite.settings)
    async with lite.opened() as (client, services):
        services.logins.names.tries = 1
        services.logins.names.window_s = 3600
        told = [signed("192.0.2.1", token), signed("192.0.2.2", token)]
        told += [signed("192.0.2.3", "x" * 32), "192.0.2.4;", "192.0.2.5"]
        statuses = [
            (await client.post("/api/v1/login", json=wrong, headers={HEADER: value})).status_code
            for value in told
        ]
    assert statuses == [401, 401, 401, 429, 429]  # the last three are the peer's own


async def test_a_login_is_given_up_when_its_client_leaves(lite: Installation) -> None:
    """What waits in the lane leaves it without a check, and nothing is said to nobody."""
    body = json.dumps({"name": "ada", "password": "correct horse battery"}).encode()
    left = asyncio.Event()
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        if (message := next(messages, None)) is not None:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    statuses = list[int]()

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    app = lite.app()
    async with running(app) as asgi:
        lane = app.state.services.logins.lane
        async with lane.place("a"), lane.place("b"):
            scope = http_scope("POST", "/api/v1/login", {"content-type": "application/json"})
            asking = asyncio.create_task(asgi(scope, receive, send))
            async with asyncio.timeout(60):
                while not lane.waiting:
                    await asyncio.sleep(0.01)
                left.set()
                await asking
            assert (lane.waiting, lane.running) == (0, 2)
        assert lane.running == 0
    assert statuses[0] == 499


async def test_a_revoked_key_is_forgotten_with_its_memory(installation: Installation) -> None:
    """A key works until what is remembered of it is over, and no longer."""
    door = Authenticator(installation.identity, METRICS_TOKEN, remember_s=0.05)
    assert (await door.caller(f"Bearer {installation.ada}")).name == "ada"
    key = next(key for key in installation.identity.list_keys("ada"))
    installation.identity.revoke_key(key.id)
    import anyio

    await anyio.sleep(0.06)
    with pytest.raises(NotAuthenticated):
        await door.caller(f"Bearer {installation.ada}")
