"""Forms that add and change users, and make and revoke keys."""

from collections.abc import Sequence

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.widgets.actions import attempt
from modelyard.dashboard.widgets.confirmation import Action, ask
from modelyard.dashboard.widgets.live import complain
from modelyard.registry.errors import ModelyardError
from modelyard.serving.wire.admin.people import KeyEntry, UserEntry
from modelyard.serving.wire.admin.quotas import NewQuota

ROLES = ("user", "admin", "service")


def add_user(gateway: GatewayClient) -> None:
    with st.form("add-user", border=False, clear_on_submit=True):
        name = st.text_input("Name", max_chars=100).strip()
        role = st.selectbox("Role", ROLES, help="A service is a program: keys only.")
        password = st.text_input(
            "Password", type="password", max_chars=256, autocomplete="new-password"
        )
        st.caption("Without a password the user can only be used with keys.")
        if st.form_submit_button("Add", type="primary", width="stretch"):
            if not name:
                st.error("A user needs a name.")
                return
            attempt(lambda: gateway.add_user(name, role, password or None), f"Added {name}.")


def change_user(gateway: GatewayClient, users: Sequence[UserEntry]) -> None:
    """Shut a user out or let it in, or set its quota; the form shows the quota of now."""
    names = {user.id: user.name for user in users}
    chosen = st.selectbox("User", list(names), format_func=lambda each: names[each])
    user = next(user for user in users if user.id == chosen)
    button = "Let the user in again" if user.disabled else "Shut the user out"
    if st.button(button, width="stretch"):
        word = "in again" if user.disabled else "out; sessions have ended"
        attempt(
            lambda: gateway.set_disabled(user.id, disabled=not user.disabled),
            f"{user.name} is {word}.",
        )
    if st.button("Remove for good", width="stretch"):
        ask(_removal(gateway, user))
    _password(gateway, user)
    _quota(gateway, user)


def _removal(gateway: GatewayClient, user: UserEntry) -> Action:
    def act() -> str:
        gateway.remove_user(user.id)
        return f"Removed {user.name}."

    return Action(
        title="Remove this user?",
        about=f"{user.name} goes with every key, the quota and all files; its requests and batches "
        "end. What was used stays in the books.",
        button="Remove the user",
        act=act,
    )


def _password(gateway: GatewayClient, user: UserEntry) -> None:
    with st.form(f"password-{user.id}", border=False, clear_on_submit=True):
        password = st.text_input(
            "New password", type="password", max_chars=256, autocomplete="new-password"
        )
        if st.form_submit_button("Set the password", width="stretch") and password:
            done = f"The password of {user.name} is set; open sessions have ended."
            attempt(lambda: gateway.set_password(user.id, password), done)


def _quota(gateway: GatewayClient, user: UserEntry) -> None:
    quota = user.quota
    with st.form(f"quota-{user.id}", border=False):
        requests = st.number_input("Requests in all (0: no limit)", 0, value=quota.request_limit)
        devices = st.number_input("Devices at once (0: no limit)", 0, value=quota.gpu_limit)
        priority = st.number_input("Highest priority", 1, 5, value=quota.priority_limit)
        if st.form_submit_button("Set the quota", width="stretch"):
            asked = NewQuota(
                gpu_limit=devices,
                request_limit=requests,
                priority_limit=priority,
                expiration_time=quota.expiration_time,
            )
            done = f"The quota of {user.name} is set; it holds within a second."
            attempt(lambda: gateway.set_quota(user.id, asked), done)


def add_key(login: DashboardSession) -> None:
    """For oneself; an admin may make one for anybody."""
    with st.form("add-key", border=False, clear_on_submit=True):
        name = st.text_input("What it is for", max_chars=100).strip()
        user = login.me.name
        if login.me.is_admin:
            user = st.text_input("Whose", value=login.me.name, max_chars=100).strip()
        if not st.form_submit_button("Make the key", type="primary", width="stretch"):
            return
    if not (name and user):
        st.error("A key needs a name and an owner.")
        return
    try:
        made = login.gateway.create_key(name, user)
    except ModelyardError as error:
        complain(error)
        return
    st.success("This is shown once; keep it safe:")
    st.code(made.key, language=None)


def revoke_key(gateway: GatewayClient, keys: Sequence[KeyEntry]) -> None:
    names = {key.id: f"{key.prefix}… {key.name} ({key.user})" for key in keys if not key.revoked_at}
    with st.form("revoke-key", border=False):
        chosen = st.selectbox("Key", list(names), format_func=lambda each: names[each])
        if st.form_submit_button("Revoke it for good", width="stretch") and chosen:
            attempt(lambda: gateway.revoke_key(chosen), "Revoked; it stops working in 5 seconds.")
