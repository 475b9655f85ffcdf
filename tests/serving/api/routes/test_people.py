"""Admins manage users, everybody their own keys; a key's text is told once."""

from typing import Any

import httpx2
import pytest

from tests.serving.installation import Installation

pytestmark = pytest.mark.anyio

USERS = "/api/v1/admin/users"
KEYS = "/api/v1/keys"


async def _made(client: httpx2.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json=asked)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


async def test_an_admin_adds_a_user_who_logs_in(lite: Installation) -> None:
    """With the password that was given, in the role that was given; it stands in the list."""
    async with lite.client(lite.admin) as client:
        asked = {"name": "eve", "role": "user", "password": "correct horse battery"}
        added = await client.post(USERS, json=asked)
        assert added.status_code == 201
        listed = {user["name"]: user for user in (await client.get(USERS)).json()["users"]}
        login = {"name": "eve", "password": "correct horse battery"}
        assert (await client.post("/api/v1/login", json=login)).status_code == 200
    assert listed["eve"] == added.json()
    assert (listed["eve"]["role"], listed["eve"]["has_password"]) == ("user", True)
    assert "password" not in {*listed["eve"]}


async def test_a_disabled_user_is_out_at_once_and_in_again_later(lite: Installation) -> None:
    """On the gateway that was told, with the next request."""
    ada = lite.identity.authenticate_key(lite.ada).user_id
    async with lite.client(lite.admin) as client:
        mine = {"Authorization": f"Bearer {lite.ada}"}
        for disabled, status in ((True, 401), (False, 200)):
            changed = await client.patch(f"{USERS}/{ada}", json={"disabled": disabled})
            assert changed.json()["disabled"] is disabled
            assert (await client.get("/api/v1/me", headers=mine)).status_code == status


async def test_a_key_works_until_it_is_revoked(lite: Installation) -> None:
    """Its text is in the answer that made it and in no list."""
    async with lite.client(lite.ada) as client:
        made = await _made(client, name="laptop")
        mine = {"Authorization": f"Bearer {made['key']}"}
        assert (await client.get("/api/v1/me", headers=mine)).json()["name"] == "ada"
        listed = (await client.get(KEYS)).json()["keys"]
        assert made["key"] not in str(listed)
        [new] = [key for key in listed if key["name"] == "laptop"]
        assert (await client.delete(f"{KEYS}/{new['id']}")).status_code == 204
        assert (await client.get("/api/v1/me", headers=mine)).status_code == 401


async def test_a_key_that_is_over_is_not_made(lite: Installation) -> None:
    """The field is named."""
    async with lite.client(lite.ada) as client:
        asked = {"name": "laptop", "expires_at": "1999-01-01T00:00:00Z"}
        refused = await client.post(KEYS, json=asked)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "expires_at"


async def test_a_foreign_key_is_as_unknown_as_a_missing_one(lite: Installation) -> None:
    """Nobody learns which ids there are, and nothing is revoked."""
    admins = [key for key in lite.identity.list_keys() if key.user != "ada"]
    assert admins
    async with lite.client(lite.ada) as client:
        foreign = await client.delete(f"{KEYS}/{admins[0].id}")
        missing = await client.delete(f"{KEYS}/{'0' * 36}")
        listed = (await client.get(KEYS)).json()["keys"]
    assert foreign.status_code == missing.status_code == 404
    assert foreign.text.replace(admins[0].id, "ID") == missing.text.replace("0" * 36, "ID")
    assert {key["user"] for key in listed} == {"ada"}
    assert lite.identity.authenticate_key(lite.admin).is_admin


async def test_only_admins_see_users_and_make_keys_for_others(lite: Installation) -> None:
    """Whoever else asks is told so; an admin's keys for others are theirs."""
    ada = lite.identity.authenticate_key(lite.ada).user_id
    async with lite.client(lite.ada) as client:
        refused = [
            await client.get(USERS),
            await client.post(USERS, json={"name": "eve"}),
            await client.patch(f"{USERS}/{ada}", json={"disabled": False}),
            await client.post(KEYS, json={"name": "x", "user": "root"}),
        ]
        assert [answer.status_code for answer in refused] == [403] * 4
    async with lite.client(lite.admin) as client:
        made = await _made(client, name="for ada", user="ada")
        unknown = await client.post(KEYS, json={"name": "x", "user": "nobody"})
        missing = await client.patch(f"{USERS}/nobody", json={"disabled": True})
    assert lite.identity.authenticate_key(made["key"]).name == "ada"
    assert (unknown.status_code, missing.status_code) == (404, 404)


async def test_traffic_is_ones_own_and_for_admins_everybody_s(lite: Installation) -> None:
    """Steps as asked for; too many points are refused by the field's name."""
    async with lite.client(lite.ada) as client:
        reply = (await client.get("/api/v1/usage/history", params={"minutes": 2})).json()
        assert [point["requests"] for point in reply["points"]] == [0, 0, 0]
        assert reply["first_token_p95"] is None
        long = {"minutes": 10_000, "step": 10}
        refused = await client.get("/api/v1/usage/history", params=long)
    assert refused.status_code == 400
    assert "step" in refused.text
