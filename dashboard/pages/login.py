"""The login page: log in with an API key, or with name and password."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from modelyard.dashboard import session
from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.widgets import live
from modelyard.registry.errors import ModelyardError, NotAuthenticated
from modelyard.registry.logs.hidden import without_logins


def show(gateway: GatewayClient) -> None:
    st.space("large")
    _, middle, _ = st.columns([1, 1.2, 1])
    with middle:
        st.header("Log in", anchor=False)
        st.caption(f"to the gateway at `{without_logins(gateway.url)}`")
        notice = session.take_notice()
        if notice:
            st.info(notice)
        by_key, by_password = st.tabs(["API key", "Name and password"])
        with by_key:
            _key_form(gateway)
        with by_password:
            _password_form(gateway)


def _key_form(gateway: GatewayClient) -> None:
    with st.form("key", clear_on_submit=True, border=False):
        key = st.text_input("API key", type="password", autocomplete="off").strip()
        st.caption("`modelyard up` shows the first one; `modelyard keys create` makes more.")
        if st.form_submit_button("Log in", type="primary", width="stretch"):
            attempt = partial(session.with_key, gateway, key)
            _log_in(attempt, [key], "This API key is unknown, expired or revoked.")


def _password_form(gateway: GatewayClient) -> None:
    with st.form("password", clear_on_submit=True, border=False):
        name = st.text_input("Name", autocomplete="username").strip()
        password = st.text_input("Password", type="password", autocomplete="current-password")
        if st.form_submit_button("Log in", type="primary", width="stretch"):
            attempt = partial(session.with_password, gateway, name, password)
            _log_in(attempt, [name, password], "The name or the password is wrong.")


def _log_in(attempt: Callable[[], object], fields: list[str], refused: str) -> None:
    if not all(fields):
        st.error("Please fill in every field.")
        return
    try:
        attempt()
    except NotAuthenticated:
        st.error(refused)
    except ModelyardError as error:
        live.complain(error)
    else:
        st.rerun()
