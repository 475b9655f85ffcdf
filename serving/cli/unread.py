"""What clients have not taken of their answers yet: bounded, and who takes nothing is ended."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from serving.stalled import LOOK_S, Peer, Stalled

PATIENCE_S = 150.0
"""On loopback a reader of 1 kB/s is seen to take something every 107 to 128 seconds."""

MOST_BYTES = 256 * 1024 * 1024
PART = 16
"""One client may have this part of all bytes waiting."""

GRACE_S = 5.0
"""Where there is too much in all, who has taken nothing for so long is ended."""


class Reader(Peer, Protocol):
    """A client's connection."""

    def go_on(self) -> None:
        """Look again whether there is room."""
        ...

    def end_unread(self) -> None:
        """The client does not read: it is cut off."""
        ...


@dataclass(slots=True, eq=False)
class Unread:
    """`waiting` are the bytes of all answers that wait for their clients here, beyond a socket's.

    An answer goes on as its engine writes it, whether it is read or not, while that is within the
    bounds; beyond them its engine waits.
    """

    patience_s: float = PATIENCE_S
    most_bytes: int = MOST_BYTES
    waiting: int = 0
    _stalled: Stalled[Reader] = field(default_factory=Stalled[Reader])
    _looked_at: float = 0.0

    def has_room(self, own: int) -> bool:
        """Whether more may wait for a client for whom so many bytes do."""
        return own * PART < self.most_bytes and self.waiting < self.most_bytes

    def tick(self, readers: Iterable[Reader]) -> None:
        """Often enough: every LOOK_S something is done."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._look(readers, now)

    def _look(self, readers: Iterable[Reader], now: float) -> None:
        found = self._stalled.look(readers, now)
        for reader in sorted(found, key=lambda reader: -found[reader]):
            too_much = self.waiting >= self.most_bytes
            if found[reader] >= (min(GRACE_S, self.patience_s) if too_much else self.patience_s):
                reader.end_unread()
            else:
                reader.go_on()
