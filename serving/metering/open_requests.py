"""Rows of what was used, from a request's begin until the bookkeeper takes them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelyard.registry.billing.usage import UsageRecord
from modelyard.serving.metering.booking import Booking
from modelyard.serving.metering.journal import Journal, Segment

BATCH = 5_000
"""So many rows do not wait for the clock."""

AT_MOST = 50_000
"""Rows in memory while the database is away; more go to disk, to be booked once it is back."""

Entry = tuple[UsageRecord, Segment]


@dataclass(slots=True)
class OpenRequests:
    """`reserve` before the work, `enter` after it: then a request is booked exactly once.

    `at_most` rows wait in memory; more go to disk.
    """

    journal: Journal
    at_most: int = AT_MOST
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _new: list[Entry] = field(default_factory=list[Entry], init=False)

    def reserve(self, row: UsageRecord) -> Booking:
        """Keep, beyond the death of this process, what is booked if nothing more is heard."""
        return Booking(self, row, self.journal.reserve(row))

    def put(self, row: UsageRecord, segment: Segment) -> None:
        """A row that is to be written soon."""
        self._new.append((row, segment))
        waiting = len(self._new)
        if waiting == BATCH:
            self.wake.set()
        elif waiting >= self.at_most:
            self.spill(self._new)
            self._new = []

    def take(self) -> list[Entry]:
        """The rows since the last time."""
        new, self._new = self._new, []
        return new

    def spill(self, entries: Sequence[Entry]) -> None:
        """To disk with them."""
        self.journal.spill([row for row, _ in entries])
        self.journal.settle([segment for _, segment in entries])
