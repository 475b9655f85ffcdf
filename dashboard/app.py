"""The dashboard's entry point, which Streamlit runs again for every interaction."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from modelyard.dashboard import session
from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.pages import devices, login, models, runs
from modelyard.dashboard.settings import DashboardSettings
from modelyard.registry.settings import load

_HERE = Path(__file__).parent


@st.cache_resource
def gateway_at(url: str) -> GatewayClient:
    """One connection pool for all users; each request carries its user's credential."""
    return GatewayClient.at(url)


def page(show: Callable[..., None], title: str, path: str = "") -> st.Page:
    """A page at its URL path; without a path it is the start page."""
    settings = load(DashboardSettings)
    user = session.current()
    if user is None:  # every path shows the login first, then its page
        body = partial(login.show, gateway_at(settings.gateway_url))
    else:
        body = partial(show, user, settings.refresh_s)
    return st.Page(body, title=title, url_path=path or None, default=not path)


def main() -> None:
    st.set_page_config("Modelyard", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.logo(str(_HERE / "logo.svg"), size="large")
    pages = [
        page(devices.show, "Devices"),
        page(models.show, "Models", "models"),
        page(runs.show, "Runs", "runs"),
    ]
    st.navigation(pages, position="top" if session.current() else "hidden").run()


main()
