"""A real gateway that knows one user and nothing else, and pages drawn without a browser."""

from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType

import pytest
from streamlit.testing.v1 import AppTest

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.session import DashboardSession
from modelyard.registry.database import Database
from modelyard.registry.identity.identity import Identity
from modelyard.registry.migrate import migrate
from tests.dashboard.conftest import SECRET
from tests.dashboard.running_servers import gateway


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


@pytest.fixture
def draw(nobody_yet: DashboardSession) -> Callable[[ModuleType], AppTest]:
    """Draws a view as the first admin sees it."""

    def drawn(view: ModuleType) -> AppTest:
        # Streamlit takes this function's text alone: names of this module are unknown to it.
        def page(view: "ModuleType", login: "DashboardSession") -> None:
            view.show(login, 60.0)

        page_of = AppTest.from_function(page, kwargs={"view": view, "login": nobody_yet})
        return page_of.run(timeout=120)

    return drawn
