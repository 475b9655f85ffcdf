"""Logging in, and who one is."""

from unittest.mock import ANY

import pytest

from modelyard.registry.errors import NotAuthenticated
from modelyard.serving.access.authentication import Authenticator
from tests.serving.installation import METRICS_TOKEN, Installation

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
    """Passwords cannot be guessed quickly; another name from the same address may still try."""
    async with lite.opened() as (client, services):
        services.logins.counter.window_s = 3600  # ten passwords may take a slow machine a minute
        for _ in range(10):
            answer = await client.post("/api/v1/login", json={"name": "ada", "password": "guess"})
            assert answer.status_code == 401
        answer = await client.post("/api/v1/login", json={"name": "ada", "password": "guess"})
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "60"
        other = await client.post("/api/v1/login", json={"name": "bob", "password": "guess"})
        assert other.status_code == 401


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
