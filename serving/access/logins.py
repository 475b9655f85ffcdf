"""Exchanges names and passwords for sessions, so that nobody's tries keep others out."""

import asyncio
import ipaddress
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from modelyard.registry.identity.identity import Identity
from modelyard.registry.web import forwarded
from modelyard.serving.access.login_lane import AT_ONCE, LoginLane
from modelyard.serving.access.login_throttle import TryCounter

TRIES_OF_AN_ADDRESS = 60
"""Failed tries of one address in a window, whatever the names: an office may share it."""


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="login")


@dataclass(slots=True)
class Logins:
    """`dashboard_token` signs a browser's address; without a signature the peer's own counts."""

    identity: Identity
    dashboard_token: str = field(repr=False)
    names: TryCounter = field(default_factory=TryCounter)
    addresses: TryCounter = field(default_factory=lambda: TryCounter(TRIES_OF_AN_ADDRESS))
    lane: LoginLane = field(default_factory=LoginLane)
    _threads: ThreadPoolExecutor = field(default_factory=_threads)

    async def login(self, name: str, password: str, address: str) -> str:
        """A session token; raises NotAuthenticated, or TooManyLogins before a password check.

        When it is cancelled the try still counts, and a check that has not begun is left out.
        """
        key = f"{name}\n{address}"
        self.addresses.allow(address)
        self.names.allow(key)
        async with self.lane.place(address):
            loop = asyncio.get_running_loop()
            checking = loop.run_in_executor(self._threads, self.identity.login, name, password)
            token = await _to_its_end(checking)
        self.addresses.forgive(address)
        self.names.forgive(key)
        return token

    def address_of(self, peer: str, browser: str) -> str:
        """The address whose tries count: a browser's, where the dashboard has signed it."""
        return network_of(forwarded.verified(browser, self.dashboard_token) or peer)


async def _to_its_end(checking: asyncio.Future[str]) -> str:
    """Wait for a check even when cancelled: its place is taken until its thread is free."""
    try:
        return await asyncio.shield(checking)
    except asyncio.CancelledError:
        await asyncio.gather(checking, return_exceptions=True)
        raise


def network_of(address: str) -> str:
    """What one client can choose its address from: itself, of IPv6 the /64; else the text."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)
