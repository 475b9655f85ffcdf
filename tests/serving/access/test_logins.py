"""A flood of anonymous logins keeps nobody else waiting, and no address escapes its count."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

import pytest

from modelyard.registry.errors import NotAuthenticated
from modelyard.registry.identity.identity import Identity, refused
from modelyard.serving.access.logins import TRIES_OF_AN_ADDRESS, Logins, network_of
from modelyard.serving.errors import TooManyLogins

pytestmark = pytest.mark.anyio

CHECK_S = 0.02


@dataclass(slots=True)
class SlowIdentity:
    """A check that takes as long as one on a busy machine."""

    checked: list[str] = field(default_factory=list[str])

    def login(self, name: str, password: str) -> str:
        self.checked.append(name)
        time.sleep(CHECK_S)
        if password != "right":
            raise refused()
        return name


async def test_150_anonymous_logins_keep_nobody_else_waiting() -> None:
    """Those of one address beyond a few are refused at once; another's is soon checked."""
    identity = SlowIdentity()
    logins = Logins(cast("Identity", identity), "t" * 32)
    flood = [asyncio.create_task(logins.login(f"n{i}", "x", "evil")) for i in range(150)]
    await asyncio.sleep(0)
    assert await logins.login("ada", "right", "home") == "ada"
    assert len(identity.checked) <= 5
    ended = await asyncio.gather(*flood, return_exceptions=True)
    assert {type(error) for error in ended} == {NotAuthenticated, TooManyLogins}
    assert len(identity.checked) <= 8


async def test_one_address_may_not_try_name_after_name() -> None:
    """A count of its own, beside that of each name."""
    logins = Logins(cast("Identity", SlowIdentity()), "t" * 32)
    for number in range(TRIES_OF_AN_ADDRESS):
        logins.addresses.allow("evil")
        assert number < TRIES_OF_AN_ADDRESS
    with pytest.raises(TooManyLogins):
        await logins.login("ada", "right", "evil")
    assert await logins.login("ada", "right", "home") == "ada"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_one_client_is_one_address(address: str, network: str) -> None:
    """Of IPv6 each client has a whole network to choose from."""
    assert network_of(address) == network
