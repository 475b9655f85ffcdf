"""Writes the ledger's rows in batches to the usage book and the access log."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from modelyard.registry.billing.usage import UsageBook, UsageRecord
from modelyard.registry.logs import logger
from modelyard.serving.metering.access_log import AccessLog
from modelyard.serving.metering.open_requests import Entry, OpenRequests
from modelyard.serving.metering.unbooked import MOST

EVERY_S = 0.5

RETRY_S = 1.0
"""Seconds until the next attempt when the database does not answer."""

RECOVER_S = 30.0
"""Seconds between searches for journals of dead processes."""

_log = logger("modelyard.gateway")


@dataclass(slots=True)
class Bookkeeper:
    """Writes rows; those in `_late` failed and are tried again after `retry_s` seconds."""

    ledger: OpenRequests
    book: UsageBook
    log: AccessLog
    retry_s: float = RETRY_S
    _late: list[Entry] = field(default_factory=list[Entry], init=False)
    _open: bool = field(default=True, init=False)

    @classmethod
    @asynccontextmanager
    async def at_work(
        cls, book: UsageBook, ledger: OpenRequests, log: AccessLog, *, retry_s: float = RETRY_S
    ) -> AsyncGenerator[OpenRequests]:
        """Write rows while the block runs, and the last of them when it ends."""
        keeper = cls(ledger, book, log, retry_s)
        ledger.unbooked.most = MOST if log.target else 0
        writing = asyncio.create_task(keeper._write_while_open())
        recovering = asyncio.create_task(keeper._recover_for_ever())
        try:
            yield ledger
        finally:
            recovering.cancel()
            keeper._open = False
            ledger.wake.set()
            await asyncio.gather(writing, recovering, return_exceptions=True)
            await keeper._write()
            if keeper._late:
                _log.critical("usage_lost", rows=len(keeper._late))
            ledger.journal.close()

    async def _write_while_open(self) -> None:
        wake = self.ledger.wake
        while self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await wake.wait()
            wake.clear()
            if not await self._write() and self._open:
                await asyncio.sleep(self.retry_s)

    async def _write(self) -> bool:
        """Book all rows; False if the database does not answer and rows are kept for later."""
        new = self.ledger.take()
        late = self._late = self._late + new
        self.ledger.late = len(late)
        refused, left_out = self.ledger.unbooked.take()
        if refused:
            await asyncio.to_thread(self._note, refused, left_out)
        if not late:
            return True
        if await asyncio.to_thread(self._booked, late, len(new)):
            self.ledger.journal.settle(segment for _, segment in late)
            self._forget()
            return True
        is_much = self.ledger.is_full or len(late) >= self.ledger.at_most
        if (is_much or not self._open) and self.ledger.spill(late):
            self._forget()
        return False

    def _forget(self) -> None:
        """The late rows are written, in the database or on disk."""
        self._late = []
        self.ledger.late = 0

    def _booked(self, entries: list[Entry], new: int) -> bool:
        rows = [row for row, _ in entries]
        self._note(rows[len(rows) - new :])
        try:
            self.book.add(rows)
        except DBAPIError as error:
            _log.warning("usage waits for the database", rows=len(rows), error=str(error))
            return False
        return True

    def _note(self, rows: Sequence[UsageRecord], left_out: int = 0) -> None:
        try:
            self.log.write(rows, left_out)
        except OSError as error:
            _log.error("access_log_not_written", lines=len(rows), reason=str(error))

    async def _recover_for_ever(self) -> None:
        while True:
            await asyncio.to_thread(self._recover)
            await asyncio.sleep(RECOVER_S)

    def _recover(self) -> None:
        try:
            found = self.ledger.journal.recover(self.book)
        except (DBAPIError, OSError):  # the database or the disk fails: the files stay
            return
        if found:
            _log.warning("booked what ended without a word", requests=found)
