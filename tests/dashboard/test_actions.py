"""What an admin orders on the pages is asked about, done once, and shown until it has ended."""

from collections.abc import Generator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import delete, update

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, ModelRef, ModelVersion, StoredFile
from modelyard.registry.catalog.preparations import Preparations
from modelyard.registry.database import Database, utc_now
from modelyard.registry.fleet.fleet import EngineState, EngineView, Fleet
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.fleet.tables import WorkerRow
from modelyard.registry.identity.caller import Role
from modelyard.registry.runs.flow_processes import FlowProcesses
from modelyard.registry.runs.orders import OrderBook, OrderKind, OrderState
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from modelyard.registry.runs.tables import RunRow
from modelyard.registry.secrets import internal_token
from tests.dashboard.browsing import arrived, go, log_in
from tests.dashboard.conftest import SECRET, OpenedPage
from tests.dashboard.running_servers import RestartableServer
from tests.dashboard.sample_data import DEVICE, Scenery
from tests.serving.unloading_worker import UnloadingWorker, unloading_worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
expect.set_options(timeout=120_000)
POEM = "owner/poem"
ACTIONS = {
    "devices": ("Maintenance",),
    "models": ("Add a model",),
    f"models?name={POEM}": ("Promote a version", "Roll back", "Unload", "Remove"),
    "runs": ("Cancel", "Repeat a run"),
    "people": ("Add a user", "Change a user"),
}
"""The buttons that only admins see, by page."""


@pytest.fixture(scope="module")
def db(sample_data: Scenery) -> Database:
    return sample_data.identity.db


@pytest.fixture(scope="module", autouse=True)
def runs_of_before(db: Database) -> Generator[None]:
    """Pages of other tests show what they have set up, without the runs of these."""
    before = [run.id for run in RunBoard(db).list(500)]
    yield
    with db.begin() as session:
        session.execute(delete(RunRow).where(RunRow.id.not_in(before)))


@pytest.fixture
def book(db: Database) -> Generator[OrderBook]:
    """The orders, while a process says that it carries them out."""
    processes = FlowProcesses(db)
    processes.beat("a process")
    yield OrderBook(db)
    processes.leave("a process")


@pytest.fixture(scope="module")
def worker() -> Generator[UnloadingWorker]:
    with unloading_worker(internal_token(SECRET)) as worker:
        yield worker


@pytest.fixture(scope="module")
def poem(db: Database, worker: UnloadingWorker) -> Generator[ModelVersion]:
    """A model whose second version is champion and loaded; its first was champion before."""
    catalog = Catalog(db)
    facts = ModelFacts(Format.GGUF, "llama", "F16")
    first, second = (
        catalog.register(
            POEM,
            repo=POEM,
            revision=str(number) * 40,
            facts=facts,
            files=[StoredFile("poem.gguf", str(number) * 64, 1)],
            metrics={},
        )
        for number in (1, 2)
    )
    catalog.set_alias(POEM, "champion", second.number)
    fleet = Fleet(db)
    fleet.register_worker(
        "cpu-9", worker.url, 1, DeviceReport.from_json({**DEVICE, "name": "Its device"})
    )
    fleet.put_engine(EngineView("cpu-9", second.id, EngineState.READY, worker.url))
    later = utc_now() + timedelta(hours=1)  # no worker runs that would beat
    with db.begin() as session:
        mine = update(WorkerRow).where(WorkerRow.device_id == "cpu-9")
        session.execute(mine.values(heartbeat_at=later))
    assert first.number == 1
    yield second
    catalog.remove(ModelRef(POEM))
    with db.begin() as session:
        session.execute(delete(WorkerRow).where(WorkerRow.device_id == "cpu-9"))


@pytest.fixture
def page(seen: OpenedPage, sample_data: Scenery, poem: ModelVersion) -> Page:
    """An admin's browser."""
    assert poem.number
    log_in(seen.page, sample_data.key)
    arrived(seen.page)
    return seen.page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def sure(page: Page, question: str, button: str) -> None:
    """Answer a question with a double click, as impatient people do."""
    expect(page.get_by_test_id("stDialog").get_by_text(question)).to_be_visible()
    page.get_by_test_id("stDialog").get_by_role("button", name=button, exact=True).dblclick()
    expect(page.get_by_test_id("stDialog")).to_have_count(0)


def test_a_model_is_added_and_its_run_is_followed(page: Page, db: Database) -> None:
    """Where nobody would carry it out the page says what to start, and nothing is ordered."""
    go(page, "Models")
    press(page, "Add a model")
    page.get_by_role("textbox", name="Repository").fill("owner/new")
    page.get_by_role("textbox", name="Quantize to").fill("Q8_0, Q4_K_M")
    press(page, "Add the model")
    expect(page.get_by_text("modelyard flows")).to_be_visible()
    assert OrderBook(db).waiting() == []
    FlowProcesses(db).beat("a process")
    press(page, "Add the model")
    expect(page.get_by_text("it is about to be carried out")).to_be_visible()
    press(page, "Add the model")
    (order,) = OrderBook(db).waiting()
    assert (order.parameters["repo"], order.asked_by) == ("owner/new", "ada")
    assert order.parameters["quantize"] == ["Q8_0", "Q4_K_M"]
    FlowProcesses(db).leave("a process")
    OrderBook(db).settle(order.id, OrderState.DONE, "The run has begun.", order.id)
    with RunBoard(db).start("ingest", "owner/new@main", order.id) as run:
        run.step("download", 400, "bytes")
        expect(page.get_by_text("Ingest owner/new@main: Download, 0%")).to_be_visible()
        run.finish(RunState.COMPLETED, "Registered owner/new@1.")
    expect(page.get_by_text("Registered owner/new")).to_be_visible()


def test_a_run_is_cancelled_and_one_is_repeated(page: Page, db: Database, book: OrderBook) -> None:
    """Each after a question, once; a refusal is shown with its reason."""
    board = RunBoard(db)
    board.start("ingest", "owner/broken", "p-broken").finish(RunState.FAILED, "No answer.")
    going = board.start("ingest", "owner/going", "p-going")
    go(page, "Runs")
    card = page.locator("[data-testid=stVerticalBlock]", has_text="owner/going").last
    card.get_by_role("button", name="Cancel").click()
    sure(page, "owner/going is ended", "Cancel the run")
    (order,) = book.waiting()
    assert (order.kind, order.parameters) == (OrderKind.CANCEL, {"run_id": going.id})
    book.settle(order.id, OrderState.REFUSED, "Prefect does not cancel it.")
    expect(page.get_by_text("Prefect does not cancel it.")).to_be_visible()
    going.finish(RunState.COMPLETED)
    press(page, "Repeat a run")
    press(page, "Run it again")
    sure(page, "owner/broken runs again", "Repeat it")
    (order,) = book.waiting()
    assert order.kind is OrderKind.RETRY
    book.settle(order.id, OrderState.DONE, "The run begins again.", "p-again")
    expect(page.get_by_text("The run begins again.")).to_be_visible()


def test_a_version_is_unloaded_and_a_model_removed(
    page: Page, the_dashboard: RestartableServer, book: OrderBook, worker: UnloadingWorker
) -> None:
    """The worker is told at once; the removal is ordered once, and loaded versions are refused."""
    page.goto(f"{the_dashboard.url}/models?name={POEM}")
    press(page, "Unload")
    press(page, "Unload it")
    sure(page, "Requests that run may finish", "Unload")
    expect(page.get_by_text("is unloaded from cpu-9.")).to_be_visible()
    assert worker.told
    press(page, "Remove")
    press(page, "Remove it")
    dialog = page.get_by_test_id("stDialog")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(dialog.get_by_text("is loaded on cpu-9.")).to_be_visible()
    dialog.get_by_role("button", name="Leave it as it is").click()
    expect(dialog).to_have_count(0)
    if not page.get_by_role("button", name="Remove it", exact=True).is_visible():
        press(page, "Remove")
    page.get_by_text("Even where it is loaded").click()
    press(page, "Remove it")
    sure(page, "is forgotten everywhere", "Remove")
    (order,) = book.waiting()
    assert order.parameters == {"model": f"{POEM}@2", "force": True}
    book.settle(order.id, OrderState.DONE, f"{POEM}@2 is removed.")
    expect(page.get_by_text("2 is removed.")).to_be_visible()


def test_a_model_is_rolled_back_to_the_champion_of_before(
    page: Page, the_dashboard: RestartableServer, db: Database, poem: ModelVersion
) -> None:
    """As a promotion of that version, whose outcome is shown; here another one takes its place."""
    page.goto(f"{the_dashboard.url}/models?name={POEM}")
    press(page, "Roll back")
    sure(page, "was champion before", "Roll back")
    expect(page.get_by_text("Promoting: the new version is loaded")).to_be_visible()
    (first,) = [v for v in Catalog(db).list() if v.model == POEM and v.number == 1]
    expect(page.get_by_role("cell", name="preparing champion")).to_be_visible()
    assert first.id in Preparations(db).standing()
    Preparations(db).begin(poem, "champion", 3600)
    expect(page.get_by_text("was superseded")).to_be_visible()


def test_a_user_is_removed_after_a_question(page: Page, sample_data: Scenery) -> None:
    """The row goes; whoever leaves it as it is removes nobody."""
    sample_data.identity.create_user("alan", Role.USER)
    go(page, "People")
    for answer in ("Leave it as it is", "Remove the user"):
        press(page, "Change a user")
        page.get_by_role("combobox").first.click()
        page.get_by_role("option", name="alan").click()
        press(page, "Remove for good")
        expect(
            page.get_by_test_id("stDialog").get_by_text("alan goes with every key")
        ).to_be_visible()
        page.get_by_test_id("stDialog").get_by_role("button", name=answer).click()
        expect(page.get_by_test_id("stDialog")).to_have_count(0)
        there = "alan" in {user.name for user in sample_data.identity.list_users()}
        assert there is (answer != "Remove the user")
    expect(page.get_by_role("cell", name="alan")).to_have_count(0)


def test_who_is_no_admin_sees_no_action(
    seen: OpenedPage, sample_data: Scenery, the_dashboard: RestartableServer, poem: ModelVersion
) -> None:
    """On none of the pages; the routes behind them refuse as well."""
    assert poem.number
    sample_data.identity.create_user("barbara", Role.USER)
    log_in(seen.page, sample_data.identity.create_key("barbara", "test"))
    arrived(seen.page)
    marks = {"devices": "Processor of the test", "runs": "owner/coming", "people": "API keys"}
    for path, names in ACTIONS.items():
        seen.page.goto(f"{the_dashboard.url}/{path}")
        expect(seen.page.get_by_text(marks.get(path, POEM)).first).to_be_visible()
        for name in names:
            assert seen.page.get_by_role("button", name=name, exact=True).count() == 0, (path, name)
