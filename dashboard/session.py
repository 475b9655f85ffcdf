"""The logged-in user of the page that is being drawn."""

import json

import streamlit as st

from modelyard.dashboard.login import LOGIN, LOGOUT, address_of
from modelyard.dashboard.sessions import COOKIE, SESSIONS, DashboardSession


def current() -> DashboardSession | None:
    """The session that the browser's cookie names; None once it is over."""
    return SESSIONS.find(_cookie())


def end(notice: str) -> None:
    """Have the browser end the session, which leads to the login page with the notice.

    The server ends it when the browser goes there: before that its page may still load the scripts
    that it takes to go.
    """
    _go(LOGOUT, notice)


def leave(notice: str) -> None:
    """Send a browser without a session to the login page."""
    _go(LOGIN, notice)


def _go(page: str, notice: str) -> None:
    address = address_of(page, notice=notice)
    # JSON quotes the address for the script, and no `<` of it can end the script.
    quoted = json.dumps(address).replace("<", "\\u003c")
    st.html(f"<script>location.assign({quoted})</script>", unsafe_allow_javascript=True)
    st.stop()


def _cookie() -> str:
    return st.context.cookies.get(COOKIE) or ""
