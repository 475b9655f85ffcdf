"""Admins order ingests, removals, cancellations and retries; the flows' process is told."""

from collections.abc import Iterator

import httpx2
import pytest

from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.orders import OrderBook, OrderState
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from tests.serving.installation import TOKEN, Installation
from tests.serving.unloading_worker import unloading_worker

pytestmark = pytest.mark.anyio

INGESTS = "/api/v1/admin/ingests"
REMOVALS = "/api/v1/admin/removals"
ORDERS = "/api/v1/admin/orders"
UNLOADS = "/api/v1/admin/unloads"


@pytest.fixture
def served(lite: Installation) -> Installation:
    """An installation where a process carries out orders."""
    FlowProcesses(lite.database).beat("a process")
    return lite


def run_of(installation: Installation, state: RunState | None, prefect_id: str | None) -> str:
    run = RunBoard(installation.database).start("ingest", "ada/m@main", prefect_id)
    if state:
        run.finish(state)
    return run.id


def orders(run_id: str) -> Iterator[tuple[str, dict[str, str]]]:
    yield INGESTS, {"repo": "ada/m"}
    yield REMOVALS, {"model": "owner/name"}
    yield f"/api/v1/runs/{run_id}/cancel", {}


async def test_only_admins_order(served: Installation) -> None:
    """Whoever else asks is refused before anything is looked at, valid or not."""
    run_id = run_of(served, None, "p1")
    async with served.client(served.ada) as client:
        for path, body in (*orders(run_id), (INGESTS, {"no": "x"}), (UNLOADS, {"model": "x"})):
            refused = await client.post(path, json=body)
            assert refused.status_code == 403, path
            assert "Only an admin may" in refused.json()["detail"]
        for path in (f"/api/v1/runs/{run_id}/retry", "/api/v1/runs/nobody/cancel"):
            assert (await client.post(path)).status_code == 403
        assert (await client.get(f"{ORDERS}/x")).status_code == 403
    assert OrderBook(served.database).waiting() == []


async def test_no_login_comes_into_an_order(lite: Installation) -> None:
    """An order's subject, and its run's, is shown to whoever may see the run."""
    async with lite.client(lite.admin) as client:
        asked = {"repo": "https://me:hush@huggingface.co/owner/name"}
        refused = await client.post("/api/v1/admin/ingests", json=asked)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "repo"
    assert "hush" not in refused.text


async def test_without_the_flows_an_order_is_refused_with_the_way_out(lite: Installation) -> None:
    """503 says what to start, and nothing stays behind that would be done later."""
    lite.filled.add("owner/name")
    async with lite.client(lite.admin) as client:
        for path, body in orders(run_of(lite, None, "p1")):
            refused = await client.post(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "flows_unavailable")
            assert "`modelyard flows`" in refused.json()["fix"]
    assert OrderBook(lite.database).waiting() == []


async def test_a_double_click_is_one_order_and_its_way_can_be_followed(
    served: Installation,
) -> None:
    """Waiting, done, and the run that came of it; a private model is the admin's own."""
    book = OrderBook(served.database)
    asked = {"repo": "ada/m", "file": "*q8_0.gguf", "private": True}
    async with served.client(served.admin) as client:
        first, second = [await client.post(INGESTS, json=asked) for _ in range(2)]
        assert (first.status_code, first.json()["state"]) == (202, "waiting")
        assert first.json()["id"] == second.json()["id"]
        (waiting,) = book.waiting()
        assert waiting.subject == "ada/m@main *q8_0.gguf"
        admin = served.identity.authenticate_key(served.admin).user_id
        assert waiting.parameters["owner_id"] == admin
        book.settle(waiting.id, OrderState.DONE, "The run has begun.", "p1")
        run_of(served, None, "p1")
        told = (await client.get(f"{ORDERS}/{waiting.id}")).json()
        missing = await client.get(f"{ORDERS}/{'0' * 36}")
    assert (told["state"], told["run"]["state"]) == ("done", "running")
    assert missing.status_code == 404


async def test_runs_are_cancelled_and_repeated_where_that_means_something(
    served: Installation,
) -> None:
    """Named by the beginning of the id; one that has ended, or succeeded, is a conflict."""
    going = run_of(served, None, "p1")
    failed = run_of(served, RunState.FAILED, "p2")
    unknown = run_of(served, RunState.FAILED, None)
    async with served.client(served.admin) as client:
        expected = {
            f"{going[:13]}/cancel": 202,
            f"{going}/retry": 409,
            f"{failed}/cancel": 409,
            f"{failed}/retry": 202,
            f"{unknown}/retry": 409,
            "no-such/cancel": 404,
        }
        answers = {path: await client.post(f"/api/v1/runs/{path}") for path in expected}
    assert {path: answer.status_code for path, answer in answers.items()} == expected
    told = [(o.kind, o.parameters) for o in OrderBook(served.database).waiting()]
    assert sorted(told) == [("cancel", {"run_id": going}), ("retry", {"run_id": failed})]


async def test_what_is_loaded_is_removed_by_force_only(served: Installation) -> None:
    """One version of a model may be loaded while another goes; what is not there is said."""
    loaded = served.filled.add("owner/name")
    other = served.filled.add("owner/name", build="second")
    served.worker()
    served.ready(loaded, "http://127.0.0.1:9")
    async with served.client(served.admin) as client:

        async def asked(model: str, *, force: bool = False) -> httpx2.Response:
            return await client.post(REMOVALS, json={"model": model, "force": force})

        for model in ("owner/name", loaded.ref):
            refused = await asked(model)
            assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
        assert (await asked(other.ref)).status_code == 202
        assert (await asked(loaded.ref, force=True)).status_code == 202
        assert (await asked("owner/nobody")).status_code == 404
        assert (await asked("a/b@@")).status_code == 400


async def test_a_version_is_unloaded_by_its_workers(lite: Installation) -> None:
    """On one device or on all; one that is nowhere, and a device that is none, are told."""
    version = lite.filled.add("owner/name")
    with unloading_worker(TOKEN) as worker:
        for device in ("cpu-0", "cpu-1"):
            lite.worker(device, worker.url)
            lite.ready(version, worker.url, device)
        async with lite.client(lite.admin) as client:
            one = await client.post(UNLOADS, json={"model": version.ref, "device": "cpu-1"})
            assert one.json()["devices"] == ["cpu-1"]
            every = await client.post(UNLOADS, json={"model": "owner/name"})
            assert every.json()["devices"] == ["cpu-0", "cpu-1"]
            for asked in ({"model": "owner/no"}, {"model": version.ref, "device": "gpu-7"}):
                assert (await client.post(UNLOADS, json=asked)).status_code == 404
    assert worker.told == [f"/engines/{version.id}"] * 3
