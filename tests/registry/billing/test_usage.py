"""What was used is booked exactly once and adds up, on both databases."""

import time
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from modelyard.registry.billing.tables import UsageRow
from modelyard.registry.billing.usage import DAY_MS, PART, UsageBook
from modelyard.registry.database import Database
from modelyard.registry.identity.caller import Role
from modelyard.registry.identity.identity import Identity
from tests.serving.metering.rows import lost, row


@pytest.fixture
def book(db: Database) -> UsageBook:
    return UsageBook(db)


def ids(book: UsageBook) -> set[str]:
    with book.db.read() as session:
        return set(session.scalars(select(UsageRow.id)))


def test_a_row_is_kept_as_it_was(book: UsageBook) -> None:
    """Every column comes back, the empty one too."""
    written = row(first_byte_ms=None)
    book.add([written])
    with book.db.read() as session:
        stored = session.scalars(select(UsageRow)).one()
        for name in written.__struct_fields__:
            assert getattr(stored, name) == getattr(written, name)


def test_what_is_booked_again_changes_nothing(book: UsageBook) -> None:
    """The first row of a request stays; the others of the batch are written all the same."""
    first = row()
    other = row()
    book.add([first])
    book.add([replace(first, output_tokens=999), other])
    assert ids(book) == {first.id, other.id}
    assert sum(total.output_tokens for total in book.totals(1)) == 10


def test_more_rows_than_one_statement_takes_are_written(book: UsageBook) -> None:
    """All of them, in one transaction."""
    rows = [row() for _ in range(2 * PART + 7)]
    book.add(rows)
    assert ids(book) == {used.id for used in rows}


def test_totals_are_by_day_user_and_model(book: UsageBook) -> None:
    """Known users by name, deleted ones by id; what is older than asked for is left out."""
    ada = Identity(book.db, "s" * 40).create_user("ada", Role.USER).id
    now = int(time.time() * 1000)
    book.add(
        [
            row(user_id=ada),
            row(user_id=ada, status="503"),
            lost(user_id=ada),
            row(model="other"),
            replace(row(), at=now - 40 * DAY_MS),
        ]
    )
    first, second = book.totals(30)
    assert (first.user, first.model, first.requests, first.failed) == ("ada", "owner/talker", 3, 2)
    assert (first.prompt_tokens, first.cached_tokens, first.output_tokens) == (30, 12, 266)
    assert (second.user, second.model, second.requests) == ("u", "other", 1)
    today = datetime.now(UTC).date()
    assert datetime.fromtimestamp(first.day * DAY_MS / 1000, UTC).date() == today
    assert [total.user for total in book.totals(30, "ada")] == ["ada"]
    assert len(book.totals(41)) == 3


def test_failure_rates_are_by_device_and_recent(book: UsageBook) -> None:
    """Our failures count, a client's mistake or leaving does not."""
    old = replace(row(status="500"), at=int(time.time() * 1000) - 400_000)
    rows = [row(), row(status="400"), row(status="499"), row(status="502"), old]
    book.add([*rows, row(device_id="gpu-1")])
    assert book.failure_rates(300) == {"cpu-0": 0.25, "gpu-1": 0.0}


@pytest.mark.parametrize("together", [True, False])
def test_the_answer_takes_the_place_of_a_try_that_was_lost(book: UsageBook, together: bool) -> None:  # noqa: FBT001
    """Whichever is booked first, alone or with the other: the row is the answer's."""
    answered = row()
    tries = [lost(id=answered.id), answered, lost(id=answered.id)]
    for rows in [tries] if together else [[one] for one in tries]:
        book.add(rows)
    with book.db.read() as session:
        assert session.scalars(select(UsageRow.status)).all() == ["200"]
