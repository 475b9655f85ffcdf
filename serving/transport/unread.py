"""What clients have not taken of their answers yet: bounded, and who takes nothing is ended."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from modelyard.serving.transport.stalled import LOOK_S, Peer, Stalled

PATIENCE_S = 150.0
"""On loopback a reader of 1 kB/s is seen to take something every 107 to 128 seconds."""

MOST_BYTES = 256 * 1024 * 1024
PART = 16
"""One client may have this part of all bytes waiting."""

HOLDING_S = 30.0
"""Who holds its engine back, as its part is full, may take nothing for so long."""

CROWDED_S = 5.0
"""Where there is too much in all, those who have taken nothing for longest are cut off after it."""


class ClientConnection(Peer, Protocol):
    """A client's connection; `holds_back`: nothing more of its answer may be kept."""

    @property
    def holds_back(self) -> bool: ...

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
    _stalled: Stalled[ClientConnection] = field(default_factory=Stalled[ClientConnection])
    _looked_at: float = float("-inf")

    def has_room(self, own: int) -> bool:
        """Whether more may wait for a client for whom so many bytes do."""
        return own * PART < self.most_bytes and self.waiting < self.most_bytes

    def tick(self, readers: Iterable[ClientConnection], now: float) -> None:
        """To be called often: something is done every LOOK_S."""
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self.look(readers, now)

    def look(self, readers: Iterable[ClientConnection], now: float) -> None:
        """Cut off those who have taken nothing for too long, and let the others go on."""
        found = self._stalled.look(readers, now)
        for reader in sorted(found, key=lambda reader: -found[reader]):
            if found[reader] >= self._patience_s(reader):
                reader.end_unread()
            else:
                reader.go_on()

    def _patience_s(self, reader: ClientConnection) -> float:
        if self.waiting >= self.most_bytes:
            return min(self.patience_s, CROWDED_S)
        return min(self.patience_s, HOLDING_S) if reader.holds_back else self.patience_s
