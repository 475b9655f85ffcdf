"""A real gateway and dashboard for the pages' tests, and a browser to look with."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.sessions import DashboardSession
from modelyard.registry.database import Database
from modelyard.registry.identity.identity import Identity
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


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def nobody_yet(tmp_path_factory: pytest.TempPathFactory) -> Generator[DashboardSession]:
    """The first admin's login at a gateway with nothing to show."""
    data = tmp_path_factory.mktemp("empty")
    key = _first_key(data)
    server = gateway(data, SECRET)
    server.start()
    mine = GatewayClient.at(server.url).using(key)
    mine.http.timeout = 60
    yield DashboardSession(mine.me(), mine)
    mine.http.close()
    server.stop()


def _first_key(data: Path) -> str:
    db = Database.connect(f"sqlite:///{data / 'modelyard.db'}")
    migrate(db)
    key = Identity(db, SECRET).first_admin()
    db.close()
    assert key is not None
    return key
