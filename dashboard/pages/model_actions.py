"""What an admin does with one model: promote, roll back, unload, remove."""

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.widgets import orders, promotion
from modelyard.dashboard.widgets.confirmation import Action, ask, popover
from modelyard.serving.wire.admin.registered import RegisteredModel
from modelyard.serving.wire.admin.run_orders import NewRemoval

WHOLE = "the whole model"


def show(gateway: GatewayClient, model: RegisteredModel) -> None:
    """One button for each; forms stand outside the part that refreshes itself."""
    with st.container(horizontal=True):
        if len(model.versions) > 1:
            with st.popover("Promote a version"):
                promotion.form(gateway, model.name, model.versions)
        if model.previous is not None and st.button("Roll back"):
            ask(_rollback(gateway, model.name, model.previous))
        loaded = [version.number for version in model.versions if version.engines]
        if loaded:
            with popover("Unload"):
                _unload(gateway, model.name, loaded)
        with popover("Remove"):
            _remove(gateway, model)


def _rollback(gateway: GatewayClient, name: str, previous: int) -> Action:
    def act() -> str:
        promotion.begin(gateway, f"{name}@{previous}", wait=True)
        return ""

    return Action(
        title="Roll back?",
        about=f"{name}@{previous} was champion before and becomes it again, once it answers.",
        button="Roll back",
        act=act,
    )


def _unload(gateway: GatewayClient, name: str, loaded: list[int]) -> None:
    with st.form("unload", border=False):
        number = st.selectbox("Version to unload", loaded)
        is_asked = st.form_submit_button("Unload it", width="stretch")
    ref = f"{name}@{number}"

    def act() -> str:
        freed = gateway.unload(ref).devices
        return f"{ref} is unloaded from {', '.join(freed)}." if freed else f"{ref} is not loaded."

    if is_asked:
        ask(
            Action(
                title=f"Unload version {number}?",
                about="Requests that run may finish; the next request for it loads it again.",
                button="Unload",
                act=act,
            )
        )


def _remove(gateway: GatewayClient, model: RegisteredModel) -> None:
    with st.form("remove", border=False):
        choices = [*(f"{model.name}@{version.number}" for version in model.versions), WHOLE]
        chosen = st.selectbox("What to remove", choices)
        force = st.checkbox("Even where it is loaded")
        is_asked = st.form_submit_button("Remove it", width="stretch")
    ref = model.name if chosen == WHOLE else chosen
    if is_asked:
        ask(
            Action(
                title="Remove for good?",
                about=f"{ref} is forgotten everywhere, and files that nothing else needs go.",
                button="Remove",
                act=lambda: orders.follow(gateway.remove_model(NewRemoval(model=ref, force=force))),
            )
        )
