"""Pages drawn without a browser."""

from collections.abc import Callable
from types import ModuleType

import pytest
from streamlit.testing.v1 import AppTest

from modelyard.dashboard.sessions import DashboardSession


@pytest.fixture
def draw(nobody_yet: DashboardSession) -> Callable[[ModuleType], AppTest]:
    """Draws a view as the first admin sees it."""

    def drawn(view: ModuleType) -> AppTest:
        # Streamlit takes this function's text alone: names of this module are unknown to it.
        def page(view: "ModuleType", login: "DashboardSession") -> None:
            from modelyard.dashboard.settings import DashboardSettings

            view.show(login, DashboardSettings(refresh_s=60))

        page_of = AppTest.from_function(page, kwargs={"view": view, "login": nobody_yet})
        return page_of.run(timeout=120)

    return drawn
