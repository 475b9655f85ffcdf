"""Bounds the bytes of answers that clients have not read; cuts off clients that stop reading."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from modelyard.serving.transport.stalled import LOOK_S, Peer, Stalled

PATIENCE_S = 150.0
"""Seconds without progress until a client is cut off.

On loopback a reader of 1 kB/s shows progress every 107 to 128 seconds.
"""

MOST_BYTES = 256 * 1024 * 1024
PART = 16
"""One client may have 1/PART of `most_bytes` waiting."""

HOLDING_S = 30.0
"""Seconds without progress allowed to a client whose share is full, as its engine has to wait."""

CROWDED_S = 5.0
"""Seconds without progress allowed while all waiting bytes together reach `most_bytes`."""


class ClientConnection(Peer, Protocol):
    """A client's connection; `holds_back` while no more of its answer may be kept."""

    @property
    def holds_back(self) -> bool: ...

    def go_on(self) -> None:
        """Check again whether there is room, and write what the client can take."""
        ...

    def end_unread(self) -> None:
        """Cut off a client that does not read."""
        ...


@dataclass(slots=True, eq=False)
class Unread:
    """`waiting` counts the bytes of all answers kept in this process, without socket buffers.

    Within the bounds an engine writes its answer whether or not the client reads; beyond them the
    engine waits.
    """

    patience_s: float = PATIENCE_S
    most_bytes: int = MOST_BYTES
    waiting: int = 0
    _stalled: Stalled[ClientConnection] = field(default_factory=Stalled[ClientConnection])
    _looked_at: float = float("-inf")

    def has_room(self, own: int) -> bool:
        """Whether more may be kept for a client that has `own` bytes waiting."""
        return own * PART < self.most_bytes and self.waiting < self.most_bytes

    def tick(self, readers: Iterable[ClientConnection], now: float) -> None:
        """Run `look` at most once every LOOK_S seconds; call this often."""
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self.look(readers, now)

    def look(self, readers: Iterable[ClientConnection], now: float) -> None:
        """Cut off clients that have read nothing for too long, longest first; the others go on."""
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
