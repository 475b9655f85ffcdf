"""The logged-in user of the page that is being drawn."""

import json
from urllib.parse import urlencode

import streamlit as st

from modelyard.dashboard.sessions import COOKIE, SESSIONS, DashboardSession


def current() -> DashboardSession | None:
    """The session that the browser's cookie names; None once it is over."""
    return SESSIONS.find(_cookie())


def end(notice: str = "") -> None:
    """End the session, and send the browser to the login page, which shows the notice."""
    SESSIONS.end(_cookie())
    leave(notice)


def leave(notice: str = "") -> None:
    """Send the browser to the login page."""
    address = "/login?" + urlencode({"notice": notice} if notice else {})
    # JSON quotes the address for the script, and no `<` of it can end the script.
    quoted = json.dumps(address).replace("<", "\\u003c")
    st.html(f"<script>location.assign({quoted})</script>", unsafe_allow_javascript=True)
    st.stop()


def _cookie() -> str:
    return st.context.cookies.get(COOKIE) or ""
