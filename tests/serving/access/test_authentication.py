"""Credentials are remembered for a moment, and forgotten when somebody's rights change."""

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest
from pydantic import SecretStr

from modelyard.registry.errors import NotAuthenticated
from modelyard.registry.identity.caller import Caller
from modelyard.registry.identity.identity import Identity
from modelyard.registry.installation import open_database
from modelyard.serving.access.authentication import Authenticator
from modelyard.serving.admission.open import open_gate
from modelyard.serving.settings import GatewaySettings
from tests.servers.redis import RedisServer
from tests.serving.admission.gates import PATIENT, is_up, until
from tests.serving.installation import METRICS_TOKEN, SECRET, Installation, open_installation

pytestmark = pytest.mark.anyio


@pytest.fixture
def installation(sqlite_url: str, tmp_path: Path) -> Generator[Installation]:
    with open_installation(sqlite_url, tmp_path) as installation:
        yield installation


async def test_a_caller_is_known_without_waiting_once_it_was_let_in(
    installation: Installation,
) -> None:
    """Only what was looked up is known, and nothing once it is forgotten."""
    door = Authenticator(installation.identity, METRICS_TOKEN)
    header = f"Bearer {installation.ada}"
    assert door.known(header) is None
    caller = await door.caller(header)
    assert door.known(header) == caller
    assert door.known(f"Bearer {installation.admin}") is None
    door.forget()
    assert door.known(header) is None


async def test_what_is_known_ends(installation: Installation) -> None:
    """Seconds after it was looked up, whoever shows it meanwhile."""
    door = Authenticator(installation.identity, METRICS_TOKEN, remember_s=0.1)
    header = f"Bearer {installation.ada}"
    await door.caller(header)
    for _ in range(20):
        door.known(header)
        await asyncio.sleep(0.01)
    assert door.known(header) is None


async def test_a_look_up_that_a_revocation_overtook_is_not_remembered(
    installation: Installation,
) -> None:
    """Its asker is answered; nobody after it."""
    door = Authenticator(installation.identity, METRICS_TOKEN)
    header = f"Bearer {installation.ada}"
    asking = asyncio.create_task(door.caller(header))
    await asyncio.sleep(0)
    door.forget()
    assert isinstance(await asking, Caller)
    assert door.known(header) is None


async def test_gateways_on_one_redis_hear_of_a_revocation(
    installation: Installation, redis: RedisServer
) -> None:
    """A key that another process revokes stops working with a beat, not when it is forgotten."""
    settings = installation.settings.model_copy(update={"redis_url": SecretStr(redis.url)})
    door = Authenticator(installation.identity, METRICS_TOKEN, remember_s=600)
    header = f"Bearer {installation.ada}"
    patient = GatewaySettings(**PATIENT)
    async with open_gate(patient, installation.database, redis.url, door.forget) as gate:
        await until(lambda: is_up(gate))
        await asyncio.sleep(0.6)
        await door.caller(header)
        elsewhere = await asyncio.to_thread(open_database, settings)
        (key,) = installation.identity.list_keys("ada")
        await asyncio.to_thread(Identity(elsewhere, SECRET).revoke_key, key.id)
        await until(lambda: door.known(header) is None)
        with pytest.raises(NotAuthenticated):
            await door.caller(header)
        elsewhere.close()
