"""Who is logged in: kept in the server's session of one browser tab, never sent to the browser."""

from dataclasses import dataclass, field
from typing import cast

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.registry.errors import NotAuthenticated
from modelyard.serving.wire.admin.account import Me

_LOGIN = "login"
_NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class DashboardSession:
    """A user and the gateway as this user may ask it; the credential is inside, out of repr."""

    me: Me
    gateway: GatewayClient = field(repr=False)


def current() -> DashboardSession | None:
    return cast("DashboardSession | None", st.session_state.get(_LOGIN))


def with_key(gateway: GatewayClient, key: str) -> DashboardSession:
    """Log in by API key (or token); raises what the gateway refuses it with."""
    if not (key.isascii() and key.isprintable()):
        raise NotAuthenticated("Keys have no such signs.")  # nor could a header carry them
    mine = gateway.using(key)
    return begin(DashboardSession(mine.me(), mine))


def with_password(gateway: GatewayClient, name: str, password: str) -> DashboardSession:
    """Log in by name and password, for as long as the token holds."""
    return with_key(gateway, gateway.login(name, password).access_token)


def begin(login: DashboardSession) -> DashboardSession:
    st.session_state[_LOGIN] = login
    return login


def end(notice: str = "") -> None:
    """Forget everything of this user; the login page shows the notice once."""
    st.session_state.clear()
    st.session_state[_NOTICE] = notice


def take_notice() -> str:
    return cast("str", st.session_state.pop(_NOTICE, ""))
