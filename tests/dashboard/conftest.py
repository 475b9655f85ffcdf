"""A real gateway and dashboard for the pages' tests, and a browser to look with."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from modelyard.registry.database import Database
from modelyard.registry.migrate import migrate
from tests.dashboard.running_servers import RestartableServer, dashboard, gateway
from tests.dashboard.sample_data import Scenery, put_up
from tests.servers.chromium import chromium, running_browser

__all__ = ["chromium"]
SECRET = "of-the-tests-" * 4


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """A page under test and the address of every request that it made."""

    page: Page
    requests: list[str]


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture(scope="package")
def sample_data(data: Path) -> Generator[Scenery]:
    db = Database.connect(f"sqlite:///{data / 'modelyard.db'}")
    migrate(db)
    yield put_up(db, SECRET)
    db.close()


@pytest.fixture(scope="package")
def the_gateway(data: Path, sample_data: Scenery) -> Generator[RestartableServer]:
    server = gateway(data, SECRET)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def the_dashboard(data: Path, the_gateway: RestartableServer) -> Generator[RestartableServer]:
    server = dashboard(data, the_gateway.url)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Generator[Browser]:
    with running_browser(chromium) as browser:
        yield browser


@pytest.fixture
def seen(
    browser: Browser, the_dashboard: RestartableServer, sample_data: Scenery
) -> Generator[OpenedPage]:
    """A fresh browser profile that looks at the dashboard."""
    sample_data.beat()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(120_000)
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url))
    page.goto(the_dashboard.url)
    yield OpenedPage(page, requests)
    context.close()
