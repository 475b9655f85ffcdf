"""Rows of what was used: kept in memory for a moment, then written many at once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

import structlog
from sqlalchemy.exc import DBAPIError

from registry.usage import UsageBook, Used
from serving.usage.access_log import AccessLog
from serving.usage.booking import Booking
from serving.usage.journal import Journal, Segment

EVERY_S = 0.5
BATCH = 5_000
"""So many rows do not wait for the clock."""

AT_MOST = 50_000
"""Rows in memory while the database is away; more go to disk, to be booked once it is back."""

RETRY_S = 1.0
"""Seconds until a database that was away is asked again."""

RECOVER_S = 30.0
"""Seconds between looks for what other processes left behind."""

Entry = tuple[Used, Segment]
_log = structlog.get_logger("modelyard.gateway")


@dataclass(slots=True)
class Ledger:
    """`reserve` before the work, `enter` after it: then a request is booked exactly once."""

    book: UsageBook
    journal: Journal
    log: AccessLog
    _new: list[Entry] = field(default_factory=list[Entry], init=False)
    _late: list[Entry] = field(default_factory=list[Entry], init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _open: bool = field(default=True, init=False)

    @classmethod
    @asynccontextmanager
    async def running(
        cls, book: UsageBook, journal: Journal, log: AccessLog
    ) -> AsyncGenerator[Self]:
        """Rows are written while the block runs, and the last of them when it ends."""
        ledger = cls(book, journal, log)
        writing = asyncio.create_task(ledger._write_while_open())
        recovering = asyncio.create_task(ledger._recover_for_ever())
        try:
            yield ledger
        finally:
            recovering.cancel()
            ledger._open = False
            ledger._wake.set()
            await asyncio.gather(writing, recovering, return_exceptions=True)
            await ledger._write()
            journal.close()

    def reserve(self, row: Used) -> Booking:
        """Keep, beyond the death of this process, what is booked if nothing more is heard."""
        return Booking(self, row, self.journal.reserve(row))

    def put(self, row: Used, segment: Segment) -> None:
        """A row that is to be written soon."""
        self._new.append((row, segment))
        waiting = len(self._new)
        if waiting == BATCH:
            self._wake.set()
        elif waiting >= AT_MOST:
            self._new = self._spilled(self._new)

    async def _write_while_open(self) -> None:
        while self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._wake.wait()
            self._wake.clear()
            if not await self._write() and self._open:
                await asyncio.sleep(RETRY_S)

    async def _write(self) -> bool:
        """Book all there is; False where the database is away and rows are kept for later."""
        new, self._new = self._new, []
        late = self._late = self._late + new
        if not late:
            return True
        if not await asyncio.to_thread(self._booked, late, len(new)):
            if len(late) >= AT_MOST or not self._open:
                self._late = self._spilled(late)
            return False
        self.journal.settle(segment for _, segment in late)
        self._late = []
        return True

    def _booked(self, entries: list[Entry], new: int) -> bool:
        rows = [row for row, _ in entries]
        self.log.write(rows[len(rows) - new :])
        try:
            self.book.add(rows)
        except DBAPIError as error:
            _log.warning("usage waits for the database", rows=len(rows), error=str(error))
            return False
        return True

    def _spilled(self, entries: list[Entry]) -> list[Entry]:
        self.journal.spill([row for row, _ in entries])
        self.journal.settle(segment for _, segment in entries)
        return []

    async def _recover_for_ever(self) -> None:
        while True:
            await asyncio.to_thread(self._recover)
            await asyncio.sleep(RECOVER_S)

    def _recover(self) -> None:
        try:
            found = self.journal.recover(self.book)
        except DBAPIError:  # it is away: the files stay where they are
            return
        if found:
            _log.warning("booked what ended without a word", requests=found)
