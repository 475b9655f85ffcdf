"""The dashboard's entry point, which Streamlit runs again for every interaction."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from modelyard.dashboard import navigation, session
from modelyard.dashboard.login import ENDED
from modelyard.dashboard.pages import devices, models, overview, people, runs
from modelyard.dashboard.pages.requests import page as requests
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets.connection import fade_when_lost
from modelyard.registry.settings import load

_HERE = Path(__file__).parent

_PAGES: tuple[tuple[str, str, Callable[[DashboardSession, DashboardSettings], None]], ...] = (
    ("overview", "Overview", overview.show),
    ("devices", "Devices", devices.show),
    ("models", "Models", models.show),
    ("requests", "Requests", requests.show),
    ("runs", "Runs", runs.show),
    ("people", "People", people.show),
)
"""Each page's path, title and drawing; the first is the start page."""


def main() -> None:
    st.set_page_config(
        "Modelyard",
        page_icon=str(_HERE / "icon.svg"),
        layout="wide",
        initial_sidebar_state="collapsed",  # on a phone it would cover the page
    )
    st.logo(str(_HERE / "logo.svg"), size="large")
    fade_when_lost()
    user = session.current()
    if user is None:
        session.leave(ENDED)
        return
    settings = load(DashboardSettings)
    pages = {
        path: st.Page(
            partial(show, user, settings),
            title=title,
            url_path=path if number else None,
            default=number == 0,
        )
        for number, (path, title, show) in enumerate(_PAGES)
    }
    navigation.know(pages)
    st.navigation([*pages.values()], position="top").run()


main()
