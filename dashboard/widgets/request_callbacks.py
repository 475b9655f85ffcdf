"""What was told of a request to its callback address: each try, and a button that sends again."""

from typing import Any

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.requests_client import RequestsClient
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.confirmation import Action, ask
from modelyard.dashboard.widgets.tables import show
from modelyard.dashboard.widgets.units import (
    UNKNOWN,
    age,
    ago,
    count,
    duration,
    milliseconds,
    plain,
)
from modelyard.serving.wire.admin.callbacks import CallbackEntry, CallbackTryEntry


def draw(gateway: GatewayClient, request_id: str, *, may_send: bool) -> None:
    """The request's callbacks; before it has ended there is none."""
    for callback in RequestsClient(gateway).callbacks(request_id):
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center"):
                title = f"**Callback** :gray[{plain(callback.kind)} to {plain(callback.url)}]"
                st.markdown(title, width="content")
                st.markdown(badge(callback.state, callback.state), width="content")
                if may_send and st.button("Send again", key=f"resend-{callback.id}"):
                    _ask(gateway, callback)
            _tries(callback)


def _ask(gateway: GatewayClient, callback: CallbackEntry) -> None:
    def send() -> str:
        RequestsClient(gateway).resend(callback.id)
        return "It is sent again now."

    about = "The receiver gets the same event once more, with the same id."
    ask(Action("Send this callback again?", about, "Send it", send))


def _tries(callback: CallbackEntry) -> None:
    if callback.tries:
        rows = [_row(one) for one in callback.tries]
        show(rows, {"Try": count, "Took": milliseconds, "When": ago})
    if callback.next_try_at is not None:
        wait = max(0.0, -age(callback.next_try_at))
        st.caption(f"Tried next in {duration(wait)}.")


def _row(one: CallbackTryEntry) -> dict[str, Any]:
    return {
        "Try": one.number,
        "Answer": f"{one.status}" if one.status is not None else UNKNOWN,
        "Error": plain(one.error or UNKNOWN),
        "Took": one.duration_ms,
        "When": age(one.at),
    }
