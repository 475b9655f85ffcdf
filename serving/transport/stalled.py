"""Which connections' other ends take nothing of what waits for them, and for how long."""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

LOOK_S = 1.0
"""Seconds between two looks."""


class Peer(Protocol):
    """A connection, as uvicorn's protocols are one."""

    transport: asyncio.Transport


P = TypeVar("P", bound=Peer)


@dataclass(slots=True)
class Stalled(Generic[P]):
    """Remembers what waited for each at the last look, and since when it is the same."""

    _seen: dict[P, tuple[int, float]] = field(default_factory=dict[P, tuple[int, float]])

    def look(self, peers: Iterable[P], now: float) -> dict[P, float]:
        """Those for whom something waits, and for how many seconds it has been the same.

        More is written only until a transport is full, so what changes after that was taken.
        """
        seen, self._seen = self._seen, {}
        for peer in peers:
            if peer.transport.get_write_buffer_size():
                waits = unsent(peer.transport)
                before, since = seen.get(peer, (-1, now))
                self._seen[peer] = waits, since if waits == before else now
        return {peer: now - since for peer, (_, since) in self._seen.items()}


def unsent(transport: asyncio.Transport) -> int:
    """Bytes that the other end has not taken: those here, and those in the kernel.

    The kernel makes room for more only when a third of its buffer is free, megabytes on loopback:
    a slow reader would seem to take nothing for many minutes.
    """
    here = transport.get_write_buffer_size()
    connected = transport.get_extra_info("socket")
    try:
        told = fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # closed meanwhile, or a system that does not tell
        return here
    return here + int(struct.unpack("i", told)[0])
