"""The logged-in user, kept in the server's session of one browser tab, never in the browser."""

from dataclasses import dataclass, field
from typing import cast

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.settings import DashboardSettings
from modelyard.registry.errors import NotAuthenticated
from modelyard.registry.settings import load
from modelyard.registry.web.forwarded import signed
from modelyard.serving.wire.admin.account import Me

_LOGIN = "login"
_NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class DashboardSession:
    """A user, and a gateway client with this user's credential, which repr hides."""

    me: Me
    gateway: GatewayClient = field(repr=False)


def current() -> DashboardSession | None:
    return cast("DashboardSession | None", st.session_state.get(_LOGIN))


def with_key(gateway: GatewayClient, key: str) -> DashboardSession:
    """Log in by API key or token; raises the gateway's error if it refuses."""
    if not (key.isascii() and key.isprintable()):
        raise NotAuthenticated("Keys have no such signs.")  # a header could not carry them either
    mine = gateway.using(key)
    return begin(DashboardSession(mine.me(), mine))


def with_password(gateway: GatewayClient, name: str, password: str) -> DashboardSession:
    """Log in by name and password, until the session token expires."""
    session = gateway.login(name, password, _browser())
    return with_key(gateway, session.access_token)


def _browser() -> str:
    """The browser's address for the gateway; empty on this machine, or where it is not believed."""
    address = st.context.ip_address
    token = load(DashboardSettings).dashboard_token.get_secret_value()
    return signed(address, token) if address and token else ""


def begin(login: DashboardSession) -> DashboardSession:
    st.session_state[_LOGIN] = login
    return login


def end(notice: str = "") -> None:
    """Delete this user's session; the login page shows the notice once."""
    st.session_state.clear()
    st.session_state[_NOTICE] = notice


def take_notice() -> str:
    return cast("str", st.session_state.pop(_NOTICE, ""))
