"""Whom a callback is connected to, before anything is said to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from modelyard.serving.callbacks.errors import NotSent
from modelyard.serving.callbacks.global_addresses import Address


@dataclass(slots=True)
class WatchedPeer:
    """The library calls it with each of its steps: it lets it go on with the right peer only.

    It also closes the connection, which the library forgets when it is cancelled in a handshake.
    """

    address: Address
    _stream: Any = field(default=None, init=False)

    async def __call__(self, step: str, facts: Mapping[str, Any]) -> None:
        if step != "connection.connect_tcp.complete":
            return
        self._stream = facts["return_value"]
        if ip_address(self._stream.get_extra_info("server_addr")[0]) != self.address:
            raise NotSent("the connection led to another address")

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()
