"""Orders about runs are kept until they are carried out, and the same one is not given twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import FlowsAway, UnknownOrder
from modelyard.registry.runs.flow_processes import ALIVE, FlowProcesses
from modelyard.registry.runs.orders import (
    KEPT,
    TO_BEGIN,
    OrderBook,
    OrderKind,
    OrderState,
    RunOrder,
)
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from modelyard.registry.runs.tables import FlowProcessRow, RunOrderRow

TOLD = {"repo": "ada/m"}


@pytest.fixture
def book(db: Database) -> OrderBook:
    FlowProcesses(db).beat("a process")
    return OrderBook(db)


def ingest(book: OrderBook) -> RunOrder:
    return book.place(OrderKind.INGEST, "ada/m@main", TOLD, "root")


def settled_ago(book: OrderBook, ago: timedelta) -> None:
    with book.db.begin() as session:
        session.execute(update(RunOrderRow).values(settled_at=utc_now() - ago))


def test_an_order_waits_until_it_is_settled(book: OrderBook) -> None:
    """Then it tells how it went and which run came of it, without secrets."""
    order = ingest(book)
    (waiting,) = book.waiting()
    assert (waiting.id, waiting.parameters, waiting.asked_by) == (order.id, TOLD, "root")
    book.settle(order.id, OrderState.DONE, "at http://ada:secret@hub/", "p1")
    assert book.waiting() == []
    assert book.get(order.id).run is None
    with RunBoard(book.db).start("ingest", "ada/m", "p1"):
        done = book.get(order.id)
    assert done.run is not None
    assert (done.state, done.run.subject, "secret" in done.message) == ("done", "ada/m", False)
    with pytest.raises(UnknownOrder):
        book.get("nobody")


def test_the_same_order_given_twice_makes_one_run(book: OrderBook) -> None:
    """From the first click until the run has ended, whoever gives it and at the same moment."""
    with ThreadPoolExecutor(4) as many:
        ids = {order.id for order in many.map(lambda _: ingest(book), range(8))}
    assert len(ids) == len(book.waiting()) == 1
    (first,) = ids
    assert book.place(OrderKind.INGEST, "x", {"repo": "ada/other"}, "root").id != first
    book.settle(first, OrderState.DONE, "", "p1")
    assert ingest(book).id == first, "its run may not have begun yet"
    with RunBoard(book.db).start("ingest", "ada/m", "p1") as run:
        assert ingest(book).id == first
        run.finish(RunState.FAILED)
    assert ingest(book).id != first, "what failed may be tried again"


def test_an_order_whose_run_never_begins_stands_in_nobody_s_way(book: OrderBook) -> None:
    """It may have been deleted at Prefect; a refused one is over at once."""
    first = ingest(book)
    book.settle(first.id, OrderState.DONE, "", "p1")
    settled_ago(book, TO_BEGIN)
    second = ingest(book)
    book.settle(second.id, OrderState.REFUSED, "No such name.")
    assert len({first.id, second.id, ingest(book).id}) == 3


def test_a_removal_that_is_done_may_be_ordered_again(book: OrderBook) -> None:
    """The model may be back by then."""
    first = book.place(OrderKind.REMOVE, "m", {"model": "m"}, "root")
    book.settle(first.id, OrderState.DONE, "")
    assert book.place(OrderKind.REMOVE, "m", {"model": "m"}, "root").id != first.id


def test_without_a_process_that_would_carry_it_out_nothing_is_ordered(db: Database) -> None:
    """Neither where there never was one, nor where it left, nor where it fell silent."""
    book = OrderBook(db)
    processes = FlowProcesses(db)
    with pytest.raises(FlowsAway, match="modelyard flows"):
        ingest(book)
    processes.beat("a process")
    processes.leave("a process")
    with pytest.raises(FlowsAway):
        ingest(book)
    processes.beat("a process")
    with db.begin() as session:
        session.execute(update(FlowProcessRow).values(heartbeat_at=utc_now() - ALIVE))
    with pytest.raises(FlowsAway):
        ingest(book)
    assert book.waiting() == []


def test_orders_of_long_ago_are_forgotten_and_waiting_ones_are_not(book: OrderBook) -> None:
    """A month after they were settled."""
    old = ingest(book)
    waiting = book.place(OrderKind.CANCEL, "ada/m", {"run_id": "r"}, "root")
    book.settle(old.id, OrderState.REFUSED, "")
    settled_ago(book, KEPT)
    with book.db.begin() as session:
        session.execute(
            update(RunOrderRow).where(RunOrderRow.id == waiting.id).values(settled_at=None)
        )
    book.clear()
    with pytest.raises(UnknownOrder):
        book.get(old.id)
    assert [order.id for order in book.waiting()] == [waiting.id]
