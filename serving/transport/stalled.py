"""Finds connections whose peer reads nothing of what waits for it, and for how long."""

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
    """A connection with a transport, such as a uvicorn protocol."""

    transport: asyncio.Transport


P = TypeVar("P", bound=Peer)


@dataclass(slots=True)
class Stalled(Generic[P]):
    """Remembers how many bytes waited for each peer, and since when that number is the same."""

    _seen: dict[P, tuple[int, float]] = field(default_factory=dict[P, tuple[int, float]])

    def look(self, peers: Iterable[P], now: float) -> dict[P, float]:
        """Peers with waiting bytes, and for how many seconds that number has not changed.

        A full transport gets no more bytes, so a later change means that the peer has read.
        """
        seen, self._seen = self._seen, {}
        for peer in peers:
            if peer.transport.get_write_buffer_size():
                waits = unsent(peer.transport)
                before, since = seen.get(peer, (-1, now))
                self._seen[peer] = waits, since if waits == before else now
        return {peer: now - since for peer, (_, since) in self._seen.items()}


def unsent(transport: asyncio.Transport) -> int:
    """Bytes that the peer has not taken: those in the transport and those in the kernel.

    The kernel accepts more only when a third of its buffer is free, megabytes on loopback. By the
    transport alone, a slow reader would seem to take nothing for many minutes.
    """
    here = transport.get_write_buffer_size()
    connected = transport.get_extra_info("socket")
    try:
        told = fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # closed meanwhile, or not reported by this system
        return here
    return here + int(struct.unpack("i", told)[0])
