"""What admins order is carried out once at Prefect, also by a process that was killed meanwhile."""

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.order_runner import OrderRunner, orders_carried_out, remove_model
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.prefect.run_orders import RunOrders
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile
from modelyard.registry.runs.orders import OrderBook, OrderKind, OrderState, RunOrder
from modelyard.registry.runs.state import RunState
from tests.servers.prefect import prefect_api

pytestmark = pytest.mark.slow
PARAMETERS = {
    "repo": "ada/m", "revision": "main", "file": None, "quantize": ["Q8_0"], "name": None,
    "private": False, "owner_id": None, "memory_gb": None, "allow_requantize": False,
}  # fmt: skip
"""An ingest as the gateway's route writes it down."""


@pytest.fixture
def context(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[FlowContext]:
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODELYARD_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("MODELYARD_MLFLOW_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    with open_context() as context:
        context.flow_processes.beat("a process")
        yield context


@pytest.fixture
def server(prefect: Prefect) -> Generator[httpx2.Client]:
    """Prefect's API, with the ingest's deployment, which nobody serves."""
    with prefect_api(prefect) as client:
        flow = made(client, "/flows/", {"name": "ingest"})
        made(client, "/deployments/", {"name": "ingest", "flow_id": flow["id"]})
        yield client


@pytest.fixture
def runner(context: FlowContext, prefect: Prefect, server: httpx2.Client) -> OrderRunner:
    assert server.base_url
    return OrderRunner(context, RunOrders(prefect))


def made(server: httpx2.Client, path: str, body: dict[str, Any]) -> Any:
    return server.post(path, json=body).raise_for_status().json()


def placed(book: OrderBook, kind: OrderKind, **told: Any) -> RunOrder:
    return book.place(kind, "ada/m", told, "root")


def waits_again(book: OrderBook, order: RunOrder) -> None:
    """As a process leaves it that is killed before it writes down what it did."""
    book.settle(order.id, OrderState.WAITING, "")


def run_id_of(runner: OrderRunner, order: RunOrder) -> str:
    """The id that Prefect gives to the run of an order, once the order is carried out."""
    runner.look()
    assert runner.context.orders.get(order.id).state is OrderState.DONE
    return runner.prefect.begin(order.parameters, order.id)


def test_an_ingest_ordered_once_is_one_run_however_often_it_is_carried_out(
    runner: OrderRunner, server: httpx2.Client
) -> None:
    """A kill between Prefect's answer and the registry's row makes no second run."""
    order = placed(runner.context.orders, OrderKind.INGEST, **PARAMETERS)
    first = run_id_of(runner, order)
    waits_again(runner.context.orders, order)
    assert run_id_of(runner, order) == first
    run = server.get(f"/flow_runs/{first}").json()
    assert run["parameters"] == PARAMETERS
    assert server.get(f"/flow_runs/{first}").json()["idempotency_key"] == order.id


def test_a_run_is_cancelled_and_repeated_once(runner: OrderRunner, server: httpx2.Client) -> None:
    """A cancellation that is carried out twice is one; a repetition likewise."""
    book = runner.context.orders
    flow_run = runner.prefect.begin(PARAMETERS, "of this test")
    running = {"state": {"type": "RUNNING", "name": "Running"}, "force": True}
    made(server, f"/flow_runs/{flow_run}/set_state", running)
    with runner.context.board.start("ingest", "ada/m", flow_run) as run:
        order = placed(book, OrderKind.CANCEL, run_id=run.id)
        for _ in range(2):
            runner.look()
            assert book.get(order.id).state is OrderState.DONE, book.get(order.id)
            state = server.get(f"/flow_runs/{flow_run}").json()["state"]["type"]
            assert state in {"CANCELLING", "CANCELLED"}
            waits_again(book, order)
        run.finish(RunState.CANCELLED)
    again = placed(book, OrderKind.RETRY, run_id=run.id)
    found: set[str] = set()
    for _ in range(2):
        waits_again(book, again)
        runner.look()
        assert book.get(again.id).state is OrderState.DONE
        found.add(runner.prefect.repeat(flow_run, again.id))
    assert len(found - {flow_run}) == 1


def test_what_cannot_be_done_is_refused_with_the_reason(runner: OrderRunner) -> None:
    """A name that is none, a type that is not made, a run Prefect does not know; others go on."""
    book = runner.context.orders
    foreign = "0a0a0a0a-0000-4000-8000-000000000000"
    with runner.context.board.start("ingest", "ada/m", foreign) as run:
        orders = {
            placed(book, OrderKind.INGEST, **PARAMETERS | {"name": "no name"}).id: "no name",
            placed(book, OrderKind.INGEST, **PARAMETERS | {"quantize": ["Q9"]}).id: "Q9",
            placed(book, OrderKind.CANCEL, run_id=run.id).id: "does not know",
            placed(book, OrderKind.RETRY, run_id="no-such").id: "no run",
            placed(book, OrderKind.REMOVE, model="ada/none", force=False).id: "",
        }
        runner.look()
    for order_id, words in orders.items():
        told = book.get(order_id)
        wanted = OrderState.REFUSED if words else OrderState.DONE  # what is gone is removed
        assert (told.state, words in told.message) == (wanted, True), told


def test_while_prefect_is_away_orders_wait(context: FlowContext) -> None:
    """They are carried out when it is back."""
    away = OrderRunner(context, RunOrders(Prefect("http://127.0.0.1:9/api")))
    order = placed(context.orders, OrderKind.INGEST, **PARAMETERS)
    away.look()
    assert [each.id for each in context.orders.waiting()] == [order.id]


def test_a_model_is_removed_as_by_the_command(context: FlowContext) -> None:
    """What names it goes, and what is wrong with the name is told."""
    stored = context.store.put([b"a model"])
    context.catalog.register(
        name="ada/m",
        repo="ada/m",
        revision="0" * 40,
        facts=ModelFacts(Format.MOCK, "mock"),
        files=[StoredFile("model.mock", stored.sha256, stored.size)],
        metrics={},
    )
    assert "is not the name of a model" in remove_model("ada/m@@", force=False)
    assert remove_model("ada/m@1", force=False) == ""
    assert context.catalog.list() == []


def test_whoever_serves_the_flows_says_so_and_carries_out_what_comes(
    context: FlowContext, prefect: Prefect
) -> None:
    """From its start until its end; then nothing more is ordered."""
    context.flow_processes.leave("a process")
    with orders_carried_out(prefect, every_s=0.05):
        until(context.flow_processes.is_served)
        order = placed(context.orders, OrderKind.RETRY, run_id="no-such")
        until(lambda: context.orders.get(order.id).state is OrderState.REFUSED)
    until(lambda: not context.flow_processes.is_served())


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
