"""Rows are written soon, and kept where they cannot be written."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from modelyard.registry.billing.usage import UsageBook
from modelyard.registry.database import Database
from modelyard.serving.errors import UsageUnwritable
from modelyard.serving.metering.access_log import AccessLog
from modelyard.serving.metering.bookkeeper import EVERY_S, Bookkeeper
from modelyard.serving.metering.journal import Journal
from modelyard.serving.metering.open_requests import AT_MOST, OpenRequests
from modelyard.serving.metering.unbooked import MOST
from modelyard.serving.observability.request_record import RequestRecord
from modelyard.serving.wire.openai.usage import TokenCounts
from tests.serving.metering.full_disk import full_disk
from tests.serving.metering.rows import lost

pytestmark = pytest.mark.anyio


@pytest.fixture
def book(sqlite_url: str) -> UsageBook:
    return UsageBook(Database.connect(sqlite_url))


@asynccontextmanager
async def running(
    book: UsageBook, folder: Path, log: str = "", at_most: int = AT_MOST
) -> AsyncGenerator[OpenRequests]:
    ledger = OpenRequests(Journal(folder / "usage"), at_most)
    async with Bookkeeper.at_work(book, ledger, AccessLog(log), retry_s=0.1):
        yield ledger


def answer(ledger: OpenRequests) -> None:
    ledger.reserve(lost()).enter(RequestRecord("1", "r", status=200), TokenCounts(3, 4), "gpu-1")


def requests(book: UsageBook) -> int:
    return sum(total.requests for total in book.totals(1))


def rename(book: UsageBook, old: str, new: str) -> None:
    with book.db.begin() as session:
        session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


async def until(book: UsageBook, count: int) -> None:
    async with asyncio.timeout(60):
        while requests(book) < count:
            await asyncio.sleep(0.05)


async def test_a_row_is_written_within_a_moment(book: UsageBook, tmp_path: Path) -> None:
    """And is in the access log, one JSON line for each request."""
    log = tmp_path / "access.jsonl"
    async with running(book, tmp_path, str(log)) as ledger:
        answer(ledger)
        answer(ledger)
        await until(book, 2)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["status"], line["output_tokens"]) for line in lines] == [("200", 4)] * 2


async def test_the_last_rows_are_written_at_the_end(book: UsageBook, tmp_path: Path) -> None:
    """A gateway that ends in good order leaves nothing to others."""
    async with running(book, tmp_path) as ledger:
        answer(ledger)
    assert requests(book) == 1
    assert list((tmp_path / "usage").glob("*")) == []


async def test_rows_wait_for_the_database(book: UsageBook, tmp_path: Path) -> None:
    """While it is away they are kept; when it is back each is in it once."""
    rename(book, "usage", "away")
    async with running(book, tmp_path) as ledger:
        for _ in range(3):
            answer(ledger)
        await asyncio.sleep(EVERY_S + 0.2)
        answer(ledger)
        rename(book, "away", "usage")
        await until(book, 4)
    assert requests(book) == 4


async def test_rows_that_cannot_be_kept_in_memory_go_to_disk(
    book: UsageBook, tmp_path: Path
) -> None:
    """And from there into the ledger, even where the process ended meanwhile."""
    rename(book, "usage", "away")
    async with running(book, tmp_path, at_most=5) as ledger:
        for _ in range(12):
            answer(ledger)
    rename(book, "away", "usage")
    assert Journal(tmp_path / "usage").recover(book) == 12
    assert requests(book) == 12
    assert {total.output_tokens for total in book.totals(1)} == {12 * 4}


async def test_what_was_released_is_never_booked(book: UsageBook, tmp_path: Path) -> None:
    """A try on an engine that was gone used nothing."""
    async with running(book, tmp_path) as ledger:
        booking = ledger.reserve(lost())
        booking.release()
        booking.enter(RequestRecord("1", "r", status=200), TokenCounts(3, 4), "gpu-1")
    assert requests(book) == 0


async def test_where_nothing_can_be_written_rows_wait_and_then_nobody_is_let_in(
    book: UsageBook, tmp_path: Path
) -> None:
    """Neither database nor disk: a bounded number is kept; with room each is booked, once."""
    async with running(book, tmp_path, at_most=10) as ledger:
        ledger.journal.retry_s = 0.0
        rename(book, "usage", "away")
        with full_disk():
            for _ in range(5):
                answer(ledger)
            for _ in range(3):
                with pytest.raises(UsageUnwritable, match="neither"):
                    answer(ledger)
            async with asyncio.timeout(60):  # the bookkeeper has tried, and has not ended
                while ledger.late < 5:
                    await asyncio.sleep(0.05)
            with pytest.raises(UsageUnwritable):
                answer(ledger)
        async with asyncio.timeout(60):  # the disk has room again, the database is still away
            while ledger.is_full:
                await asyncio.sleep(0.05)
        answer(ledger)
        rename(book, "away", "usage")
        await until(book, 1)
    ledger.journal.recover(book)
    assert requests(book) == 6


async def test_a_log_that_cannot_be_written_costs_no_row(book: UsageBook, tmp_path: Path) -> None:
    """The access log is on a full disk, the database is not."""
    async with running(book, tmp_path, str(tmp_path / "nowhere" / "access.jsonl")) as ledger:
        answer(ledger)
        await until(book, 1)
        answer(ledger)
        await until(book, 2)


async def test_what_is_refused_is_a_line_and_no_row(book: UsageBook, tmp_path: Path) -> None:
    """Between two writes a bounded number of lines is kept; the others are counted in one."""
    log = tmp_path / "access.jsonl"
    async with running(book, tmp_path, str(log)) as ledger:
        for _ in range(MOST + 7):
            ledger.unbooked.add(RequestRecord("1", "r", "/v1/completions", status=429))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["status"], line["kind"]) for line in lines[:-1]] == [("429", "refused")] * MOST
    assert lines[-1] == {"kind": "refused", "left_out": 7}
    assert requests(book) == 0


async def test_without_an_access_log_nothing_is_kept_of_refusals(
    book: UsageBook, tmp_path: Path
) -> None:
    """Nobody would read it."""
    async with running(book, tmp_path) as ledger:
        ledger.unbooked.add(RequestRecord("1", "r", status=429))
        assert ledger.unbooked.take() == ([], 0)
