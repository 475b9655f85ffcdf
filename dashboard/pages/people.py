"""The people page: one's own keys and quota; for admins, users with theirs."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.pages.user_forms import add_key, add_user, change_user, revoke_key
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets import confirmation, heading, tables
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import complain
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, count, plain
from modelyard.registry.errors import ModelyardError
from modelyard.serving.wire.admin.people import KeyEntry, UserEntry
from modelyard.serving.wire.admin.quotas import UserQuota


def show(login: DashboardSession, _settings: DashboardSettings) -> None:
    """Drawn anew with each action and each visit, not by the clock: forms keep what is typed."""
    heading.show("People", login)
    with confirmation.questions():
        try:
            if login.me.is_admin:
                _users(login.gateway)
            else:
                _own_quota(login.gateway.quota())
            _keys(login)
        except ModelyardError as error:
            complain(error)


def _users(gateway: GatewayClient) -> None:
    actions = st.container(horizontal=True)
    place = st.container()
    with actions.popover("Add a user"):
        add_user(gateway)
    users = gateway.users()
    with confirmation.popover("Change a user", actions):
        change_user(gateway, users)
    users = gateway.users()  # after what was just done
    with place:
        tables.show([_user(user) for user in users], {"Added": ago})


def _user(user: UserEntry) -> dict[str, Any]:
    quota = user.quota
    return {
        "Name": plain(user.name),
        "Role": badge(user.role, "role"),
        "State": badge("disabled", "failed") if user.disabled else badge("active", "ready"),
        "Logs in": "password" if user.has_password else "keys only",
        "Requests": _limited(quota.request_count, quota.request_limit),
        "Devices": _limited(quota.gpu_usage, quota.gpu_limit),
        "Priority": f"at most {quota.priority_limit}",
        "Added": age(user.created_at),
    }


def _limited(used: int, limit: int) -> str:
    return f"{count(used)} of {count(limit)}" if limit else count(used)


def _own_quota(quota: UserQuota) -> None:
    with st.container(horizontal=True, gap="large"):
        requests = _limited(quota.request_count, quota.request_limit)
        st.metric("Requests", requests, width="content")
        st.metric("Devices", _limited(quota.gpu_usage, quota.gpu_limit), width="content")
        st.metric("Highest priority", f"{quota.priority_limit}", width="content")


def _keys(login: DashboardSession) -> None:
    st.markdown("**API keys**")
    actions = st.container(horizontal=True)
    place = st.container()
    with actions.popover("Make a key"):
        add_key(login)
    keys = login.gateway.keys()
    with actions.popover("Revoke a key"):
        revoke_key(login.gateway, keys)
    keys = login.gateway.keys()
    with place:
        _key_table(keys)


def _key_table(keys: Sequence[KeyEntry]) -> None:
    if not keys:
        st.caption("There is no key yet.")
        return
    rows = [
        {
            "User": plain(key.user),
            "Name": plain(key.name),
            "Begins with": plain(key.prefix),
            "State": badge("revoked", "failed") if key.revoked_at else badge("active", "ready"),
            "Until": f"{key.expires_at:%Y-%m-%d}" if key.expires_at else UNKNOWN,
            "Made": age(key.created_at),
        }
        for key in keys
    ]
    tables.show(rows, {"Made": ago})
