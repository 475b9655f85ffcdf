"""Usage rows in memory, from a request's begin until the bookkeeper takes them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelyard.registry.billing.usage import UsageRecord
from modelyard.serving.errors import UsageUnwritable
from modelyard.serving.metering.booking import Booking
from modelyard.serving.metering.journal import Journal
from modelyard.serving.metering.segment import Segment
from modelyard.serving.metering.unbooked import UnbookedRequests

BATCH = 5_000
"""This many waiting rows wake the bookkeeper at once."""

AT_MOST = 50_000
"""Rows kept in memory while the database is down; more go to disk and are booked later."""

Entry = tuple[UsageRecord, Segment]


@dataclass(slots=True)
class OpenRequests:
    """The ledger: `reserve` before a request and `Booking.enter` after it book it exactly once.

    `at_most` rows wait in memory, `late` of them at the bookkeeper; more go to disk. While that
    takes nothing either, nothing new is let in beyond half as many.
    """

    journal: Journal
    at_most: int = AT_MOST
    late: int = 0
    unbooked: UnbookedRequests = field(default_factory=UnbookedRequests)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _new: list[Entry] = field(default_factory=list[Entry], init=False)

    @property
    def is_full(self) -> bool:
        """Whether so many rows wait that nothing new is let in."""
        # The queue and the bookkeeper may have `at_most` each before they spill.
        most = self.at_most // 2 if self.journal.is_full else 2 * self.at_most
        return len(self._new) + self.late >= most

    def reserve(self, row: UsageRecord) -> Booking:
        """Write the row to the journal; it is booked unchanged if this process dies.

        Raises UsageUnwritable while too many rows wait in memory that can be written nowhere.
        """
        if self.is_full:
            raise UsageUnwritable(
                "What requests use can be written neither to the database nor to the disk.",
                fix="The gateway's log says why; it goes on by itself once there is room.",
            )
        return Booking(self, row, self.journal.reserve(row))

    def put(self, row: UsageRecord, segment: Segment) -> None:
        """Queue a row for the bookkeeper."""
        self._new.append((row, segment))
        waiting = len(self._new)
        if waiting == BATCH:
            self.wake.set()
        elif waiting >= self.at_most and self.spill(self._new):
            self._new = []

    def take(self) -> list[Entry]:
        """Take the rows queued since the last call."""
        new, self._new = self._new, []
        return new

    def spill(self, entries: Sequence[Entry]) -> bool:
        """Move rows from memory to disk; False if that takes none."""
        if not self.journal.may_write or not self.journal.spill([row for row, _ in entries]):
            return False
        self.journal.settle([segment for _, segment in entries])
        return True
